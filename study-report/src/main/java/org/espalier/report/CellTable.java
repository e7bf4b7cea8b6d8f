package org.espalier.report;

import blue.strategic.parquet.ParquetWriter;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
import java.util.regex.Pattern;
import org.apache.commons.csv.CSVFormat;
import org.apache.commons.csv.CSVPrinter;
import org.apache.parquet.schema.LogicalTypeAnnotation;
import org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName;
import org.apache.parquet.schema.Types;
import org.espalier.records.CellRecord;
import org.espalier.records.WholeFile;
import org.jspecify.annotations.Nullable;

/**
 * The cells of a run, one typed row each.
 *
 * @param columns their types by name, in order
 * @param rows values by column; absent ones left out
 */
record CellTable(Map<String, PrimitiveTypeName> columns, List<Map<String, Object>> rows) {
  /** What spreadsheets run when it stands first in a cell. */
  private static final Pattern FORMULA = Pattern.compile("'*[=+\\-@\\t\\r]");

  /**
   * The table of some cells.
   *
   * @param records the cells
   */
  static CellTable of(List<CellRecord> records) {
    // By place: two evaluators may have one id, and each keeps its column.
    List<String> evaluators = new ArrayList<>();
    for (CellRecord.Done done : Summary.done(records)) {
      List<CellRecord.Judged> verdicts = done.evaluation().answer();
      for (int i = evaluators.size(); i < verdicts.size(); i++) {
        String name = "metric_" + verdicts.get(i).evaluator();
        String column = name;
        for (int n = 2; evaluators.contains(column); n++) {
          column = name + "-" + n;
        }
        evaluators.add(column);
      }
    }
    CellTable table = new CellTable(new LinkedHashMap<>(), new ArrayList<>());
    records.forEach(record -> table.add(record, evaluators));
    return table;
  }

  private void add(CellRecord r, List<String> evaluators) {
    Map<String, Object> row = new LinkedHashMap<>();
    BiConsumer<String, @Nullable String> text = column(row, PrimitiveTypeName.BINARY);
    BiConsumer<String, @Nullable Long> whole = column(row, PrimitiveTypeName.INT64);
    BiConsumer<String, @Nullable Double> real = column(row, PrimitiveTypeName.DOUBLE);
    CellRecord.@Nullable Done done = r instanceof CellRecord.Done d ? d : null;
    CellRecord.Axes axes = r.axes();
    CellRecord.Axes replay = r.replayed();
    text.accept("cell", r.cell());
    text.accept("status", done == null ? "failed" : "done");
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
    text.accept("stop", done == null ? null : done.found().stop());
    real.accept("utilisation", done == null ? null : (Double) done.spent().utilisation());
    real.accept("score", r.score());
    real.accept("incumbent_score", done == null ? null : (Double) done.found().incumbentScore());
    whole.accept("nfe", axes.nfe());
    whole.accept("rows", axes.rows());
    whole.accept("tokens", axes.tokens());
    real.accept("flops", (double) axes.flops());
    whole.accept("decodes", axes.decodes());
    whole.accept("verifier_calls", axes.verifierCalls());
    real.accept("verifier_flops", (double) axes.verifierFlops());
    whole.accept("replayed_nfe", replay.nfe());
    whole.accept("replayed_tokens", replay.tokens());
    real.accept("replayed_flops", (double) replay.flops());
    real.accept("seconds", r.seconds());
    real.accept("engine_seconds", r.time().engineNanos() * 1e-9);
    real.accept("wall_seconds", r.time().wallNanos() * 1e-9);
    whole.accept("jobs", r.time().jobs() == null ? null : r.time().jobs().longValue());
    CellRecord.@Nullable Account account = r.account();
    whole.accept("failed_verdicts", account == null ? null : (Long) account.failedVerdicts());
    real.accept("independent_share", account == null ? null : (Double) account.independent());
    text.accept("cost_accuracy", account == null ? null : account.accuracy());
    text.accept("image", done == null ? null : done.images().answer());
    text.accept("error", r instanceof CellRecord.Failed failed ? failed.error().message() : null);
    for (int i = 0; i < evaluators.size(); i++) {
      real.accept(evaluators.get(i), done == null ? null : value(done, i));
    }
    rows.add(row);
  }

  private <T> BiConsumer<String, @Nullable T> column(
      Map<String, Object> row, PrimitiveTypeName type) {
    return (name, value) -> {
      columns.put(name, type);
      if (value != null) {
        row.put(name, value);
      }
    };
  }

  private static @Nullable Double value(CellRecord.Done done, int evaluator) {
    List<CellRecord.Judged> verdicts = done.evaluation().answer();
    return evaluator < verdicts.size() ? verdicts.get(evaluator).value() : null;
  }

  /** The rows by RFC 4180, with a header. */
  String csv() {
    String[] header = columns.keySet().toArray(String[]::new);
    StringWriter text = new StringWriter();
    try (CSVPrinter printer =
        new CSVPrinter(text, CSVFormat.RFC4180.builder().setHeader(header).get())) {
      for (Map<String, Object> row : rows) {
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

  /**
   * Writes a Parquet file.
   *
   * @param file where
   * @return the file
   */
  Path parquet(Path file) {
    Types.MessageTypeBuilder schema = Types.buildMessage();
    columns.forEach(
        (name, type) ->
            schema.addField(
                type == PrimitiveTypeName.BINARY
                    ? Types.optional(type).as(LogicalTypeAnnotation.stringType()).named(name)
                    : Types.optional(type).named(name)));
    try {
      Path own = Files.createTempDirectory("espalier");
      Path fresh = own.resolve("cells.parquet");
      try {
        try (ParquetWriter<Map<String, Object>> writer =
            ParquetWriter.writeFile(
                schema.named("cells"), fresh.toFile(), (row, cell) -> row.forEach(cell::write))) {
          for (Map<String, Object> row : rows) {
            writer.write(row);
          }
        }
        WholeFile.write(file, Files.readAllBytes(fresh));
      } finally {
        Files.deleteIfExists(fresh);
        Files.delete(own);
      }
    } catch (IOException e) {
      throw WholeFile.problem(file, e);
    }
    return file;
  }
}
