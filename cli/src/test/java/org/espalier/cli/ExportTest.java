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

  private Path finished(String name, String study) throws IOException {
    Path file = Files.writeString(directory.resolve(name + ".yaml"), study);
    Path out = directory.resolve(name);
    espalier("run", file, "-q", "--out", out);
    return out;
  }

  @Test
  void whatIsMissingKeepsItsNumberAndIsSaid() throws IOException {
    Path failing =
        finished(
            "failing",
            TOY_STUDY
                .replace("seed: 7", "seed: 7\nseeds: 2")
                .replace(
                    "search: toy-target",
                    "search: {id: toy-evil, does: assertion, at: 1, times: 1}"));
    CommandLineKit.Ended ended = espalier("export", failing, "--to", "geneval,t2i-compbench");
    assertThat(ended.code()).as(ended.err()).isZero();
    assertThat(ended.err())
        .contains("note: geneval: 1 searches failed and 0 have not run")
        .contains("note: t2i-compbench: 1 searches failed");
    Path geneval = failing.resolve("export/geneval");
    JsonNode missing =
        new ObjectMapper().readTree(Files.readAllLines(geneval.resolve("missing.jsonl")).get(0));
    assertThat(missing.path("why").asText()).contains("asserted");
    Path folder = geneval.resolve(missing.path("folder").asText());
    String prompt = "%05d".formatted(missing.path("prompt").asInt());
    String sample = "%04d.png".formatted(missing.path("sample").asInt());
    assertThat(folder.resolve(prompt).resolve("samples").resolve(sample)).doesNotExist();
    try (Stream<Path> samples = Files.walk(folder)) {
      assertThat(samples.filter(file -> file.toString().endsWith(".png"))).hasSize(5);
    }
    int number = missing.path("prompt").asInt() * 2 + missing.path("sample").asInt();
    try (Stream<Path> samples =
        Files.list(
            failing.resolve(
                "export/t2i-compbench/" + missing.path("folder").asText() + "/samples"))) {
      assertThat(samples.map(file -> file.getFileName().toString()))
          .hasSize(5)
          .noneMatch(name -> name.endsWith("_%06d.png".formatted(number)));
    }
  }

  @Test
  void correctComesFromACorrectnessAlone() throws IOException {
    Path graded =
        finished(
            "graded",
            TOY_STUDY.replace("evaluate: {id: toy-bright}", "evaluate: [{id: toy-target}]"));
    CommandLineKit.Ended ended = espalier("export", graded, "--to", "geneval");
    assertThat(ended.err()).contains("No evaluator says whether an image is correct");
    assertThat(graded.resolve("export/geneval/alone-var-1x/results.jsonl")).doesNotExist();
    Path both =
        finished(
            "both",
            TOY_STUDY.replace(
                "evaluate: {id: toy-bright}", "evaluate: [{id: toy-target}, {id: toy-bright}]"));
    assertThat(espalier("export", both, "--to", "geneval,csv").code()).isZero();
    assertThat(Files.readAllLines(both.resolve("export/geneval/alone-var-1x/results.jsonl")))
        .hasSize(3);
  }

  @Test
  void armsAndEvaluatorsOfLikeNamesStayApart() throws IOException {
    Path twins =
        finished(
            "twins",
            TOY_STUDY
                .replace("name: alone", "name: 'a/b'")
                .replace("{strategy: {id: best-of-n", "{name: 'a b', strategy: {id: best-of-n")
                .replace(", levels: [1x]}", "}")
                .replace(
                    "evaluate: {id: toy-bright}",
                    "evaluate: [{id: toy-bright}, {id: toy-bright, failOn: green}]"));
    CommandLineKit.Ended ended = espalier("export", twins, "--to", "geneval,csv");
    assertThat(ended.code()).as(ended.err()).isZero();
    try (Stream<Path> folders = Files.list(twins.resolve("export/geneval"))) {
      assertThat(folders.filter(Files::isDirectory)).hasSize(3);
    }
    assertThat(Files.readAllLines(twins.resolve("export/csv/cells.csv")).get(0))
        .contains("metric_toy-bright,metric_toy-bright-2");
  }

  @Test
  void longAndForeignPromptsMakeNamesThatFileSystemsTake() throws IOException {
    String cjk = "\u7ea2".repeat(120);
    String emoji = "x".repeat(243) + "\ud83d\ude00\ud83d\ude00";
    Path out =
        finished(
            "long",
            TOY_STUDY.replaceFirst(
                "prompts: .*", "prompts: {inline: [\"" + cjk + "\", \"" + emoji + "\", a_b]}"));
    CommandLineKit.Ended ended = espalier("export", out, "--to", "t2i-compbench");
    assertThat(ended.code()).as(ended.err()).isZero();
    assertThat(ended.err()).contains("2 prompts are longer", "1 prompts hold an underscore");
    try (Stream<Path> samples =
        Files.list(out.resolve("export/t2i-compbench/alone-var-1x/samples"))) {
      List<String> names = samples.map(file -> file.getFileName().toString()).sorted().toList();
      assertThat(names).hasSize(3).contains("a_b_000002.png");
      for (String name : names) {
        assertThat(name.getBytes(StandardCharsets.UTF_8).length).isLessThanOrEqualTo(255);
        assertThat(StandardCharsets.UTF_8.newEncoder().canEncode(name)).isTrue();
      }
    }
  }

  @Test
  void promptsAreNumberedAsTheFileHasThem() throws IOException {
    Path out =
        finished("numbered", TOY_STUDY.replaceFirst("prompts: .*", "prompts: {file: ids.jsonl}"));
    assertThat(out.resolve("run.json")).doesNotExist();
    Files.writeString(
        directory.resolve("ids.jsonl"),
        "{\"id\": \"10\", \"prompt\": \"ten\"}\n{\"id\": \"9\", \"prompt\": \"nine\"}\n"
            + "{\"id\": \"1\", \"prompt\": \"one\"}\n");
    out = finished("numbered", TOY_STUDY.replaceFirst("prompts: .*", "prompts: {file: ids.jsonl}"));
    assertThat(espalier("export", out, "--to", "t2i-compbench").code()).isZero();
    Path samples = out.resolve("export/t2i-compbench/alone-var-1x/samples");
    assertThat(samples.resolve("ten_000000.png")).exists();
    assertThat(samples.resolve("nine_000001.png")).exists();
    assertThat(samples.resolve("one_000002.png")).exists();
  }

  @Test
  void aUsedFolderIsRefusedAndAnOwnOneIsCleaned() throws IOException {
    Path out = directory.resolve("out");
    assertThat(espalier("export", run, "--to", "geneval", "--out", out).code()).isZero();
    Path stale = out.resolve("best-of-n-var-4x/00000/samples/0000.png");
    assertThat(stale).exists();
    assertThat(espalier("export", run, "--to", "geneval", "--out", out).code()).isZero();
    Path own = Files.writeString(out.resolve("best-of-n-var-4x/00000/samples/0007.png"), "mine");
    CommandLineKit.Ended ended = espalier("export", run, "--to", "geneval", "--out", out);
    assertThat(ended.code()).isEqualTo(2);
    assertThat(ended.err()).contains("[CONFIG]", "0007.png", "not empty");
    assertThat(own).hasContent("mine");
    Path two = directory.resolve("two");
    assertThat(espalier("export", run, "--to", "geneval,t2i-compbench", "--out", two).code())
        .isZero();
    assertThat(two.resolve("geneval/best-of-n-var-4x")).exists();
    assertThat(two.resolve("t2i-compbench/best-of-n-var-4x")).exists();
  }

  @Test
  void mlflowRunsSayWhatWasSearchedAndCanBeMoved() throws IOException {
    assertThat(espalier("export", run, "--to", "mlflow").code()).isZero();
    try (Stream<Path> files = Files.walk(run.resolve("export/mlflow"))) {
      List<Path> all = files.filter(Files::isRegularFile).toList();
      List<String> names = all.stream().map(file -> file.getFileName().toString()).toList();
      assertThat(names).contains("strategy.id", "strategy.width", "verifier.id", "seeds");
      assertThat(names).contains("metric_toy-bright", "cells.csv", "table.md");
      for (Path file : all) {
        assertThat(Files.readString(file)).doesNotContain(directory.toString());
      }
    }
  }
}
