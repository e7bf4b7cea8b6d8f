package org.espalier.report;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.espalier.records.WholeFile;

/** Writes a run in the forms that others read. */
public final class RunExport {
  private final RunData data;
  private final Path out;

  private RunExport(RunData data, Path out) {
    this.data = data;
    this.out = out;
  }

  /** The forms. */
  public enum Form {
    /** One row per cell. */
    CSV,
    /** The same rows, typed and compressed. */
    PARQUET,
    /** The table. */
    MARKDOWN,
    /** The table. */
    LATEX,
    /** Summary and records in one file. */
    JSON,
    /** GenEval's folders and results.jsonl, one set per arm, model and level. */
    GENEVAL,
    /** T2I-CompBench's sample names, one set per arm, model and level. */
    T2I_COMPBENCH,
    /** An MLflow file store, a run for each arm, model and level. */
    MLFLOW
  }

  /**
   * Exports a run.
   *
   * @param data the run
   * @param form which form
   * @param out the directory to write into; for folders of images it must be empty, absent, or hold
   *     an earlier export, whose files are removed
   * @param notes told what a reader of the export must know
   * @return what was written: a file, or a directory
   */
  public static Path write(RunData data, Form form, Path out, Consumer<String> notes) {
    RunExport export = new RunExport(data, out);
    return switch (form) {
      case CSV -> export.text("cells.csv", CellTable.of(data.records()).csv());
      case PARQUET -> CellTable.of(data.records()).parquet(out.resolve("cells.parquet"));
      case MARKDOWN -> export.text("table.md", export.markdown());
      case LATEX -> export.text("table.tex", export.latex());
      case JSON -> export.text("run.json", export.json());
      case GENEVAL -> ExportFolder.fill(out, () -> new ImageFolders(data, out, notes).geneval());
      case T2I_COMPBENCH ->
          ExportFolder.fill(out, () -> new ImageFolders(data, out, notes).compBench());
      case MLFLOW -> {
        new MlflowStore(data, out).write();
        yield out;
      }
    };
  }

  private Path text(String name, String text) {
    Path file = out.resolve(name);
    WholeFile.write(file, text.getBytes(StandardCharsets.UTF_8));
    return file;
  }

  private String markdown() {
    Summary summary = data.summary();
    StringBuilder text = new StringBuilder(SummaryTables.all(summary).markdown());
    for (Table table : List.of(SummaryTables.categories(summary), SummaryTables.gaps(summary))) {
      text.append(table.lines().isEmpty() ? "" : "\n" + table.markdown());
    }
    return text.append(
            "\nMean [95 % interval] or mean \u00b1 half of it, paired bootstrap over prompts; run ")
        .append(data.run().path("configSha256").asText())
        .append(".\n")
        .toString();
  }

  private String latex() {
    return "% Needs booktabs. Mean [95 % interval] or mean and half of it.\n"
        + SummaryTables.all(data.summary()).latex();
  }

  private String json() {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("run", data.run());
    map.put("plan", data.plan());
    map.put("summary", data.summary());
    map.put("records", data.records());
    return RunJson.pretty(map);
  }
}
