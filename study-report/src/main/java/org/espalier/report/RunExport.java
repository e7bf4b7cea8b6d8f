package org.espalier.report;

import blue.strategic.parquet.ParquetWriter;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.BiConsumer;
import java.util.regex.Pattern;
import org.apache.commons.csv.CSVFormat;
import org.apache.commons.csv.CSVPrinter;
import org.apache.parquet.schema.LogicalTypeAnnotation;
import org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName;
import org.apache.parquet.schema.Types;
import org.espalier.api.EspalierException;
import org.espalier.plugins.Canonical;
import org.espalier.records.Amount;
import org.espalier.records.CellRecord;
import org.espalier.records.WholeFile;
import org.jspecify.annotations.Nullable;
import org.yaml.snakeyaml.DumperOptions;
import org.yaml.snakeyaml.Yaml;

/** Writes a run in the forms that others read. */
public final class RunExport {
  /** What spreadsheets run when it stands first in a cell. */
  private static final Pattern FORMULA = Pattern.compile("'*[=+\\-@\\t\\r]");

  private final RunData data;
  private final Path out;

  private RunExport(RunData data, Path out) {
    this.data = data;
    this.out = out;
  }

  /** The forms. */
  public enum Form {
    /** A row a cell. */
    CSV,
    /** The same rows, typed and compressed. */
    PARQUET,
    /** The table. */
    MARKDOWN,
    /** The table. */
    LATEX,
    /** Summary and records in one file. */
    JSON,
    /** GenEval's folders and results.jsonl, one set an arm, model and level. */
    GENEVAL,
    /** T2I-CompBench's sample names, one set an arm, model and level. */
    T2I_COMPBENCH,
    /** An MLflow file store, a run for each arm, model and level. */
    MLFLOW
  }

  /**
   * Exports a run.
   *
   * @param data the run
   * @param form which form
   * @param out the directory to write into
   * @return what was written: a file, or a directory
   */
  public static Path write(RunData data, Form form, Path out) {
    RunExport export = new RunExport(data, out);
    return switch (form) {
      case CSV -> export.text("cells.csv", export.csv());
      case PARQUET -> export.parquet();
      case MARKDOWN -> export.text("table.md", export.markdown());
      case LATEX -> export.text("table.tex", export.latex());
      case JSON -> export.text("run.json", export.json());
      case GENEVAL -> export.geneval();
      case T2I_COMPBENCH -> export.compBench();
      case MLFLOW -> export.mlflow();
    };
  }

  private Path text(String name, String text) {
    Path file = out.resolve(name);
    WholeFile.write(file, text.getBytes(StandardCharsets.UTF_8));
    return file;
  }

  /** One cell's values, a column each: the same in every tabular form. */
  private record Table(Map<String, PrimitiveTypeName> columns, List<Map<String, Object>> rows) {}

  private Table table() {
    Map<String, PrimitiveTypeName> columns = new LinkedHashMap<>();
    List<Map<String, Object>> rows = new ArrayList<>();
    TreeSet<String> evaluators = new TreeSet<>();
    for (CellRecord record : data.records()) {
      if (record.evaluation() != null) {
        record.evaluation().answer().forEach(judged -> evaluators.add(judged.evaluator()));
      }
    }
    for (CellRecord r : data.records()) {
      Map<String, Object> row = new LinkedHashMap<>();
      BiConsumer<String, @Nullable String> text = column(columns, row, PrimitiveTypeName.BINARY);
      BiConsumer<String, @Nullable Long> whole = column(columns, row, PrimitiveTypeName.INT64);
      BiConsumer<String, @Nullable Double> real = column(columns, row, PrimitiveTypeName.DOUBLE);
      CellRecord.Axes axes = r.axes();
      text.accept("cell", r.cell());
      text.accept("status", r.status());
      text.accept("arm", r.arm());
      text.accept("strategy", r.strategy());
      text.accept("model", r.model());
      text.accept("verifier", r.verifier() == null ? null : r.verifier().id());
      text.accept("prompt_id", r.prompt().id());
      text.accept("tag", r.prompt().tag());
      text.accept("prompt", r.prompt().text());
      whole.accept("seed", r.seed());
      text.accept("level", r.level());
      text.accept("unit", r.budget().unit());
      real.accept("limit", r.budget().limit());
      text.accept("stop", r.stop());
      real.accept("utilisation", r.utilisation());
      real.accept("score", r.score());
      real.accept("incumbent_score", r.incumbentScore());
      whole.accept("nfe", axes.nfe());
      whole.accept("rows", axes.rows());
      whole.accept("tokens", axes.tokens());
      real.accept("flops", (double) axes.flops());
      whole.accept("decodes", axes.decodes());
      whole.accept("verifier_calls", axes.verifierCalls());
      real.accept("verifier_flops", (double) axes.verifierFlops());
      CellRecord.Axes replay = r.replayed();
      whole.accept("replayed_nfe", replay.nfe());
      whole.accept("replayed_tokens", replay.tokens());
      real.accept("replayed_flops", (double) replay.flops());
      real.accept("seconds", r.seconds());
      real.accept("engine_seconds", r.time() == null ? 0 : r.time().engineNanos() * 1e-9);
      text.accept("image", r.images() == null ? null : r.images().answer());
      text.accept("error", r.error() == null ? null : r.error().message());
      for (String evaluator : evaluators) {
        real.accept("metric_" + evaluator, value(r, evaluator));
      }
      rows.add(row);
    }
    return new Table(columns, rows);
  }

  private static <T> BiConsumer<String, @Nullable T> column(
      Map<String, PrimitiveTypeName> columns, Map<String, Object> row, PrimitiveTypeName type) {
    return (name, value) -> {
      columns.put(name, type);
      if (value != null) {
        row.put(name, value);
      }
    };
  }

  private String csv() {
    Table table = table();
    String[] header = table.columns().keySet().toArray(String[]::new);
    StringWriter text = new StringWriter();
    try (CSVPrinter printer =
        new CSVPrinter(text, CSVFormat.RFC4180.builder().setHeader(header).get())) {
      for (Map<String, Object> row : table.rows()) {
        for (String column : header) {
          printer.print(row.get(column) instanceof String words ? inert(words) : row.get(column));
        }
        printer.println();
      }
    } catch (IOException e) {
      throw new IllegalStateException("text does not fail", e);
    }
    return text.toString();
  }

  /**
   * A text that no spreadsheet takes for a formula: an apostrophe goes before it, and before those
   * that it begins with, so that taking one apostrophe away gives the text back.
   */
  private static String inert(String text) {
    return FORMULA.matcher(text).lookingAt() ? "'" + text : text;
  }

  private Path parquet() {
    Table table = table();
    Types.MessageTypeBuilder schema = Types.buildMessage();
    table
        .columns()
        .forEach(
            (name, type) ->
                schema.addField(
                    type == PrimitiveTypeName.BINARY
                        ? Types.optional(type).as(LogicalTypeAnnotation.stringType()).named(name)
                        : Types.optional(type).named(name)));
    Path file = out.resolve("cells.parquet");
    try {
      Path own = Files.createTempDirectory("espalier");
      Path fresh = own.resolve("cells.parquet");
      try {
        try (ParquetWriter<Map<String, Object>> writer =
            ParquetWriter.writeFile(
                schema.named("cells"), fresh.toFile(), (row, cell) -> row.forEach(cell::write))) {
          for (Map<String, Object> row : table.rows()) {
            writer.write(row);
          }
        }
        WholeFile.write(file, Files.readAllBytes(fresh));
      } finally {
        Files.deleteIfExists(fresh);
        Files.delete(own);
      }
    } catch (IOException e) {
      throw new EspalierException(
          EspalierException.Code.RESOURCE,
          "The file (" + file + ") cannot be written: " + e.getMessage() + ".",
          "Maybe free disk space, or choose another --out.",
          e);
    }
    return file;
  }

  private static @Nullable Double value(CellRecord record, String evaluator) {
    if (record.evaluation() != null) {
      for (CellRecord.Judged judged : record.evaluation().answer()) {
        if (judged.evaluator().equals(evaluator)) {
          return judged.value();
        }
      }
    }
    return null;
  }

  private static final List<String> COLUMNS =
      List.of(
          "arm",
          "model",
          "budget",
          "metric",
          "verifier score",
          "nfe",
          "FLOPs",
          "images",
          "calls",
          "seconds",
          "used");

  private List<String> columns(Summary.Row row) {
    return List.of(
        row.label(),
        row.model(),
        row.level(),
        Summary.interval(row.metric(), 3),
        Summary.interval(row.score(), 3),
        row.spend("nfe", v -> String.format(Locale.ROOT, "%.1f", v)),
        row.spend("flops", Amount::brief),
        row.spend("decodes", v -> String.format(Locale.ROOT, "%.1f", v)),
        row.spend("verifierCalls", v -> String.format(Locale.ROOT, "%.1f", v)),
        row.spend("seconds", v -> String.format(Locale.ROOT, "%.3f", v)),
        row.spend("utilisation", v -> String.format(Locale.ROOT, "%.0f %%", 100 * v)));
  }

  private String markdown() {
    StringBuilder text = new StringBuilder();
    text.append("| ").append(String.join(" | ", COLUMNS)).append(" |\n");
    text.append("|---|---|---|").append("--:|".repeat(COLUMNS.size() - 3)).append('\n');
    for (Summary.Row row : data.summary().rows()) {
      List<String> cells = columns(row).stream().map(cell -> cell.replace("|", "\\|")).toList();
      text.append("| ").append(String.join(" | ", cells)).append(" |\n");
    }
    append(text, "By category", data.summary().categories());
    if (data.summary().rows().stream().anyMatch(row -> row.gap() != null)) {
      append(text, Summary.GAP, data.summary().gaps());
    }
    return text.append(
            "\nMean [95 % interval] or mean \u00b1 half of it, paired bootstrap over prompts; run ")
        .append(data.run().path("configSha256").asText())
        .append(".\n")
        .toString();
  }

  private static void append(StringBuilder text, String title, List<List<String>> table) {
    if (table.size() < 2) {
      return;
    }
    text.append('\n').append(title).append(".\n\n");
    for (int i = 0; i < table.size(); i++) {
      List<String> cells = table.get(i).stream().map(cell -> cell.replace("|", "\\|")).toList();
      text.append("| ").append(String.join(" | ", cells)).append(" |\n");
      if (i == 0) {
        text.append("|---|---|---|").append("--:|".repeat(cells.size() - 3)).append('\n');
      }
    }
  }

  private String latex() {
    StringBuilder text =
        new StringBuilder("% Needs booktabs. Mean [95 % interval] or mean and half of it.\n");
    text.append("\\begin{tabular}{lll").append("r".repeat(COLUMNS.size() - 3)).append("}\n");
    text.append("\\toprule\n").append(String.join(" & ", COLUMNS)).append(" \\\\\n\\midrule\n");
    for (Summary.Row row : data.summary().rows()) {
      List<String> cells = columns(row).stream().map(RunExport::latex).toList();
      text.append(String.join(" & ", cells)).append(" \\\\\n");
    }
    return text.append("\\bottomrule\n\\end{tabular}\n").toString();
  }

  private static String latex(String text) {
    return text.replace("\\", "\\textbackslash{}")
        .replaceAll("([%&#_$])", "\\\\$1")
        .replace("\u00b1", "$\\pm$");
  }

  private String json() {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("run", data.run());
    map.put("plan", data.plan());
    map.put("summary", data.summary());
    map.put("records", data.records());
    return RunJson.pretty(map);
  }

  private static String folder(CellRecord record) {
    return (record.arm() + "-" + record.model() + "-" + record.level())
        .replaceAll("[^A-Za-z0-9._-]", "_");
  }

  /** Cells of each arm, model and level by prompt, seeds in order; failed ones left out. */
  private Map<String, Map<String, List<CellRecord>>> folders() {
    Map<String, Map<String, List<CellRecord>>> result = new TreeMap<>();
    for (CellRecord record : data.records()) {
      if (record.images() != null) {
        result
            .computeIfAbsent(folder(record), name -> new TreeMap<>())
            .computeIfAbsent(record.prompt().id(), id -> new ArrayList<>())
            .add(record);
      }
    }
    return result;
  }

  private void copy(CellRecord record, Path to) {
    if (record.images() == null) {
      return;
    }
    Path from = data.directory().file(record.images().answer());
    try {
      byte[] png = Files.readAllBytes(from);
      if (!Canonical.sha256(png).equals(record.images().answerSha256())) {
        throw EspalierException.config(
            "The image (" + from + ") is not the one that was made: its hash differs.",
            "Maybe use `espalier resume` to make damaged images again.");
      }
      WholeFile.write(to, png);
    } catch (IOException e) {
      throw new EspalierException(
          EspalierException.Code.RESOURCE,
          "The image (" + from + ") cannot be copied: " + e.getMessage() + ".",
          "Maybe use `espalier resume` to make lost images again.",
          e);
    }
  }

  private Path geneval() {
    Map<String, JsonNode> metadata = new LinkedHashMap<>();
    List<String> order = new ArrayList<>();
    for (JsonNode prompt : data.prompts()) {
      String id = prompt.path("id").asText();
      order.add(id);
      ObjectNode own = RunJson.object();
      if (prompt.path("metadata") instanceof ObjectNode given) {
        own.setAll(given);
      }
      own.put("tag", prompt.path("tag").asText());
      own.put("prompt", prompt.path("prompt").asText());
      metadata.put(id, own);
    }
    folders()
        .forEach(
            (name, prompts) -> {
              Path root = out.resolve(name);
              StringBuilder results = new StringBuilder();
              prompts.forEach(
                  (id, cells) -> {
                    String index =
                        String.format(Locale.ROOT, "%05d", Math.max(0, order.indexOf(id)));
                    JsonNode fields = metadata.getOrDefault(id, RunJson.object());
                    WholeFile.write(
                        root.resolve(index).resolve("metadata.jsonl"),
                        (fields + "\n").getBytes(StandardCharsets.UTF_8));
                    for (int i = 0; i < cells.size(); i++) {
                      String sample = String.format(Locale.ROOT, "%04d.png", i);
                      Path file = root.resolve(index).resolve("samples").resolve(sample);
                      copy(cells.get(i), file);
                      results.append(result(index + "/samples/" + sample, cells.get(i), fields));
                    }
                  });
              WholeFile.write(
                  root.resolve("results.jsonl"),
                  results.toString().getBytes(StandardCharsets.UTF_8));
            });
    return out;
  }

  private static String result(String file, CellRecord record, JsonNode metadata) {
    Double metric = record.metric();
    if (metric == null) {
      return "";
    }
    ObjectNode line = RunJson.object();
    line.put("filename", file);
    line.put("tag", record.prompt().tag());
    line.put("prompt", record.prompt().text());
    line.put("correct", metric >= 0.5);
    line.put("reason", "");
    line.put("metadata", metadata.toString());
    line.put(
        "details",
        Canonical.json(record.evaluation() == null ? List.of() : record.evaluation().answer()));
    return line + "\n";
  }

  private Path compBench() {
    folders()
        .forEach(
            (name, prompts) -> {
              int[] id = {0};
              prompts.forEach(
                  (prompt, cells) -> {
                    for (CellRecord cell : cells) {
                      // T2I-CompBench reads the prompt back from the file's name.
                      String text = cell.prompt().text().replaceAll("[/\\\\\\x00-\\x1f]", " ");
                      text = text.substring(0, Math.min(text.length(), 200));
                      copy(
                          cell,
                          out.resolve(name)
                              .resolve("samples")
                              .resolve(String.format(Locale.ROOT, "%s_%06d.png", text, id[0]++)));
                    }
                  });
            });
    return out;
  }

  /** The layout that {@code mlflow ui --backend-store-uri DIR} reads. */
  private Path mlflow() {
    String study = data.run().path("study").asText();
    String experiment = Long.toString(Math.abs(hash(study)) % 1_000_000_000_000L + 1);
    Path root = out.resolve(experiment);
    long started = millis(data.run().path("started").asText());
    Map<String, Object> meta = new LinkedHashMap<>();
    meta.put("artifact_location", root.toUri().toString());
    meta.put("creation_time", started);
    meta.put("experiment_id", experiment);
    meta.put("last_update_time", started);
    meta.put("lifecycle_stage", "active");
    meta.put("name", study);
    yaml(root.resolve("meta.yaml"), meta);
    for (Summary.Row row : data.summary().rows()) {
      String id =
          Canonical.sha256(data.run().path("configSha256").asText() + row.series() + row.level())
              .substring(0, 32);
      Path run = root.resolve(id);
      long end = started + (long) (1000 * row.seconds() * row.cells());
      Map<String, Object> fields = new LinkedHashMap<>();
      fields.put("artifact_uri", run.resolve("artifacts").toUri().toString());
      fields.put("end_time", end);
      fields.put("entry_point_name", "");
      fields.put("experiment_id", experiment);
      fields.put("lifecycle_stage", "active");
      fields.put("run_id", id);
      fields.put("run_name", row.series() + " @ " + row.level());
      fields.put("run_uuid", id);
      fields.put("source_name", "espalier");
      fields.put("source_type", 4);
      fields.put("source_version", data.environment().path("git").asText(""));
      fields.put("start_time", started);
      fields.put("status", 3);
      fields.put("tags", List.of());
      fields.put("user_id", "");
      yaml(run.resolve("meta.yaml"), fields);
      put(run, "params/arm", row.arm());
      put(run, "params/model", row.model());
      put(run, "params/level", row.level());
      put(run, "params/budget_limit", Double.toString(row.limit()));
      put(run, "params/budget_unit", data.summary().unit());
      put(run, "tags/mlflow.runName", row.series() + " @ " + row.level());
      put(run, "tags/espalier.config_sha256", data.run().path("configSha256").asText());
      // The step of MLflow's charts is the number of network evaluations.
      long step = Math.round(row.nfe());
      Map<String, Double> metrics = new TreeMap<>();
      interval(metrics, "metric", row.metric());
      interval(metrics, "verifier_score", row.score());
      metrics.put("nfe", row.nfe());
      metrics.put("flops", row.flops());
      metrics.put("decodes", row.decodes());
      metrics.put("verifier_calls", row.verifierCalls());
      metrics.put("seconds", row.seconds());
      metrics.put("utilisation", row.utilisation());
      metrics.put("failed", (double) row.failed());
      metrics.forEach(
          (name, value) -> put(run, "metrics/" + name, end + " " + value + " " + step + "\n"));
      try {
        Files.createDirectories(run.resolve("artifacts"));
      } catch (IOException e) {
        throw new EspalierException(
            EspalierException.Code.RESOURCE,
            "The directory (" + run + ") cannot be made.",
            null,
            e);
      }
    }
    return out;
  }

  private static void interval(
      Map<String, Double> metrics, String name, PairedBootstrap.@Nullable Interval interval) {
    if (interval != null) {
      metrics.put(name, interval.mean());
      metrics.put(name + "_low", interval.low());
      metrics.put(name + "_high", interval.high());
    }
  }

  private static void put(Path run, String name, String value) {
    WholeFile.write(run.resolve(name), value.getBytes(StandardCharsets.UTF_8));
  }

  private static void yaml(Path file, Map<String, Object> map) {
    DumperOptions options = new DumperOptions();
    options.setDefaultFlowStyle(DumperOptions.FlowStyle.BLOCK);
    WholeFile.write(file, new Yaml(options).dump(map).getBytes(StandardCharsets.UTF_8));
  }

  private static long hash(String text) {
    return Long.parseUnsignedLong(Canonical.sha256(text).substring(0, 15), 16);
  }

  private static long millis(String instant) {
    try {
      return Instant.parse(instant).toEpochMilli();
    } catch (java.time.format.DateTimeParseException e) {
      return 0;
    }
  }
}
