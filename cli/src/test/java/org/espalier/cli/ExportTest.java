package org.espalier.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.espalier.cli.CommandLineKit.TOY_STUDY;
import static org.espalier.cli.CommandLineKit.espalier;

import blue.strategic.parquet.Hydrator;
import blue.strategic.parquet.ParquetReader;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.apache.commons.csv.CSVFormat;
import org.apache.commons.csv.CSVParser;
import org.apache.commons.csv.CSVRecord;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Exports, and comparisons of runs. */
@SuppressWarnings("NullAway.Init")
class ExportTest {
  @TempDir Path directory;
  private Path run;

  @BeforeEach
  void run() throws IOException {
    Path study = directory.resolve("study.yaml");
    Files.writeString(study, TOY_STUDY);
    run = directory.resolve("run");
    CommandLineKit.Ended ended = espalier("run", study, "-q", "--out", run);
    assertThat(ended.code()).as(ended.err()).isZero();
  }

  @Test
  void tablesHaveEveryCellAndInterval() throws IOException {
    CommandLineKit.Ended ended = espalier("export", run, "--to", "csv,markdown,latex,json");
    assertThat(ended.code()).as(ended.err()).isZero();
    Path csv = run.resolve("export/csv/cells.csv");
    try (CSVParser parser =
        CSVParser.parse(
            csv, StandardCharsets.UTF_8, CSVFormat.RFC4180.builder().setHeader().get())) {
      assertThat(parser.getHeaderNames()).contains("metric_toy-bright", "flops", "utilisation");
      assertThat(parser.getRecords())
          .hasSize(9)
          .allSatisfy(row -> assertThat(row.get("status")).isEqualTo("done"))
          .allSatisfy(row -> assertThat(row.get("replayed_nfe")).isEqualTo("0"));
    }
    assertThat(Files.readString(run.resolve("export/markdown/table.md")))
        .contains("| best-of-n | var | 4x |");
    assertThat(Files.readString(run.resolve("export/latex/table.tex")))
        .contains("\\toprule", "\\%")
        .doesNotContain("[0-9] %");
    JsonNode json =
        new ObjectMapper().readTree(Files.readString(run.resolve("export/json/run.json")));
    assertThat(json.path("records")).hasSize(9);
    assertThat(json.path("summary").path("rows")).hasSize(3);
  }

  @Test
  void noTextOfATableIsAFormula() throws IOException {
    List<String> prompts = List.of("=HYPERLINK(1)", "+1", "-x", "@x", "'=1", "'x", "a=b");
    Path study =
        Files.writeString(
            directory.resolve("formulas.yaml"),
            TOY_STUDY.replaceFirst(
                "prompts: .*", "prompts: {inline: [\"" + String.join("\", \"", prompts) + "\"]}"));
    Path formulas = directory.resolve("formulas");
    assertThat(espalier("run", study, "-q", "--out", formulas).code()).isZero();
    assertThat(espalier("export", formulas, "--to", "csv").code()).isZero();
    List<String> cells;
    try (CSVParser parser =
        CSVParser.parse(
            formulas.resolve("export/csv/cells.csv"),
            StandardCharsets.UTF_8,
            CSVFormat.RFC4180.builder().setHeader().get())) {
      cells = parser.stream().map(row -> row.get("prompt")).distinct().toList();
    }
    assertThat(cells).noneMatch(cell -> cell.matches("[=+@-].*"));
    assertThat(cells.stream().map(cell -> cell.replaceFirst("^'(?='*[=+@-])", "")))
        .as("an apostrophe taken away, as docs/studies.md says")
        .containsExactlyInAnyOrderElementsOf(prompts);
  }

  @Test
  void parquetHoldsTheSameRowsWithTypes() throws IOException {
    CommandLineKit.Ended ended = espalier("export", run, "--to", "csv,parquet");
    assertThat(ended.code()).as(ended.err()).isZero();
    List<Map<String, String>> expected = new ArrayList<>();
    try (CSVParser parser =
        CSVParser.parse(
            run.resolve("export/csv/cells.csv"),
            StandardCharsets.UTF_8,
            CSVFormat.RFC4180.builder().setHeader().get())) {
      for (CSVRecord row : parser) {
        Map<String, String> values = new TreeMap<>(row.toMap());
        values.values().removeIf(String::isEmpty);
        expected.add(values);
      }
    }
    List<Map<String, Object>> rows;
    try (Stream<Map<String, Object>> read =
        ParquetReader.streamContent(
            run.resolve("export/parquet/cells.parquet").toFile(), new ByName())) {
      rows = read.toList();
    }
    assertThat(rows).hasSize(9);
    assertThat(rows.get(0).get("nfe")).isInstanceOf(Long.class);
    assertThat(rows.get(0).get("flops")).isInstanceOf(Double.class);
    assertThat(rows.get(0).get("prompt")).isEqualTo("a red circle");
    List<Map<String, String>> written = new ArrayList<>();
    for (Map<String, Object> row : rows) {
      Map<String, String> values = new TreeMap<>();
      row.forEach((name, value) -> values.put(name, String.valueOf(value)));
      values.values().removeIf(String::isEmpty);
      written.add(values);
    }
    assertThat(written).isEqualTo(expected);
  }

  private static final class ByName
      implements Hydrator<Map<String, Object>, Map<String, Object>, String[]> {
    @Override
    public Map<String, Object> start() {
      return new TreeMap<>();
    }

    @Override
    public Map<String, Object> add(Map<String, Object> row, String[] column, Object value) {
      if (value != null) {
        row.put(column[0], value);
      }
      return row;
    }

    @Override
    public Map<String, Object> finish(Map<String, Object> row) {
      return row;
    }
  }

  @Test
  void genevalFoldersCarryMetadataSamplesAndResults() throws IOException {
    assertThat(espalier("export", run, "--to", "geneval").code()).isZero();
    Path folder = run.resolve("export/geneval/best-of-n-var-4x");
    assertThat(folder.resolve("00000/samples/0000.png")).isNotEmptyFile();
    assertThat(folder.resolve("00002/metadata.jsonl")).content().contains("two green stars");
    List<String> lines = Files.readAllLines(folder.resolve("results.jsonl"));
    assertThat(lines).hasSize(3);
    JsonNode line = new ObjectMapper().readTree(lines.get(0));
    for (String key :
        List.of("filename", "tag", "prompt", "correct", "reason", "metadata", "details")) {
      assertThat(line.has(key)).as(key).isTrue();
    }
    assertThat(line.path("metadata").isTextual()).isTrue();
  }

  @Test
  void compBenchNamesAndMlflowFiles() throws IOException {
    assertThat(espalier("export", run, "--to", "t2i-compbench,mlflow").code()).isZero();
    assertThat(run.resolve("export/t2i-compbench/alone-var-1x/samples/a blue square_000001.png"))
        .isNotEmptyFile();
    try (Stream<Path> files = Files.walk(run.resolve("export/mlflow"))) {
      List<String> names = files.map(file -> String.valueOf(file.getFileName())).toList();
      assertThat(names).filteredOn("meta.yaml"::equals).hasSize(4);
      assertThat(names).filteredOn("verifier_score"::equals).hasSize(3);
    }
    CommandLineKit.Ended wrong = espalier("export", run, "--to", "parquett");
    assertThat(wrong.code()).isEqualTo(2);
    assertThat(wrong.err()).contains("[CONFIG] The form (parquett) is unknown.");
  }

  @Test
  void aReproductionIsEqualButForTimesAndADifferenceIsShown() {
    CommandLineKit.Ended same = espalier("reproduce", run, "-q");
    assertThat(same.code()).as(same.out() + same.err()).isZero();
    assertThat(same.out()).contains("9 cells are equal but for times, 0 differ");

    Path other = directory.resolve("other");
    espalier(
        "run",
        directory.resolve("study.yaml"),
        "-q",
        "--out",
        other,
        "--set",
        "arms[2].strategy.width=1");
    CommandLineKit.Ended different = espalier("compare", run, other);
    assertThat(different.code()).isEqualTo(3);
    assertThat(different.out())
        .contains("strategy.width: 2 -> 1")
        .contains("cells are equal but for times")
        .contains("beam / var @ 4x: second less first");
  }
}
