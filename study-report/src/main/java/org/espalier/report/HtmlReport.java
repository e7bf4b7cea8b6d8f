package org.espalier.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.espalier.api.EspalierException;
import org.espalier.plugins.Canonical;
import org.espalier.records.CellRecord;
import org.espalier.records.RunDirectory;
import org.espalier.records.RunFiles;
import org.espalier.records.Turns;
import org.espalier.records.WholeFile;
import org.jspecify.annotations.Nullable;

/**
 * Writes the report: one HTML file that holds its data, images, style, script and chart library and
 * asks nothing of any server.
 */
public final class HtmlReport {
  private static final String CHART =
      "/META-INF/resources/webjars/chart.js/4.5.1/dist/chart.umd.min.js";

  /** Beyond these the page would get too long to read; it says what was left out. */
  private static final int MOST_PROMPTS = 64;

  private static final int MOST_FAILURES = 500;

  private HtmlReport() {}

  /**
   * How large a report may get.
   *
   * @param bytes of the file; galleries and trees that do not fit are left out, and the page says
   *     so
   * @param side longest side of gallery images in pixels; larger ones are scaled down
   * @param lossy whether small gallery images become JPEG too, which saves most of their bytes
   */
  public record Size(long bytes, int side, boolean lossy) {
    /** What opens well on a desktop and a phone. */
    public static final Size DEFAULT = new Size(48L << 20, 256, false);

    public Size {
      if (bytes < 1 << 20) {
        throw EspalierException.config(
            "The report's size (" + bytes + " bytes) is too small for its scripts and tables.",
            "Maybe set --max-bytes 5000000.");
      }
      if (side < 16 || side > 4096) {
        throw EspalierException.config(
            "The images' side (" + side + ") must lie in [16, 4096] pixels.",
            "Maybe set --image-side 128.");
      }
    }
  }

  /**
   * Writes {@code report/index.html} of a run.
   *
   * @param data the run
   * @return the file
   */
  public static Path write(RunData data) {
    return write(data, data.directory().report(), Size.DEFAULT);
  }

  /**
   * Writes the report of a run.
   *
   * @param data the run
   * @param file where
   * @param size how large it may get
   * @return the file
   * @throws EspalierException CONFIG if it exceeds its size, or if a report is there and the run
   *     has no record to make another one of
   */
  public static Path write(RunData data, Path file, Size size) {
    if (data.records().isEmpty() && Files.exists(file)) {
      throw EspalierException.config(
          "The run (%s) has no record: the report (%s) is not replaced by an empty one."
              .formatted(data.directory().root(), file),
          "Maybe use `espalier resume " + data.directory().root() + "`, or another --out.");
    }
    byte[] html = html(data, size).getBytes(StandardCharsets.UTF_8);
    if (html.length > size.bytes()) {
      throw EspalierException.config(
          "The report needs %d bytes without any image; %d are allowed."
              .formatted(html.length, size.bytes()),
          "Maybe set --max-bytes " + (html.length + (1 << 20)) + ".");
    }
    WholeFile.write(file, html);
    return file;
  }

  static String html(RunData data, Size size) {
    Map<String, Object> content = content(data);
    // "<" is escaped so that no text of a prompt can end the script element.
    String bare = page(data, RunJson.compact(content).replace("<", "\\u003c"));
    // UTF-8 needs at most three bytes a char; only prompts and messages are not ASCII.
    addCells(data, content, size, size.bytes() - 3L * bare.length() / 2);
    return page(data, RunJson.compact(content).replace("<", "\\u003c"));
  }

  private static String page(RunData data, String json) {
    String template = resource("/org/espalier/report/report.html");
    Map<String, String> parts = new LinkedHashMap<>();
    parts.put("TITLE", escape(data.run().path("study").asText()));
    parts.put("STYLE", resource("/org/espalier/report/report.css"));
    String chart = resource(CHART).replaceAll("(?m)^//# sourceMappingURL=.*$", "");
    String script = resource("/org/espalier/report/report.js");
    parts.put("CHART", chart);
    parts.put("SCRIPT", script);
    // These two scripts run and no other: no handler or address of a plugin's text does.
    parts.put("SCRIPTS", source(chart) + " " + source(script));
    parts.put("TABLE", escape(SummaryTables.text(data.summary())));
    parts.put("DATA", json);
    StringBuilder out = new StringBuilder(template.length() + json.length() + (1 << 19));
    int at = 0;
    while (true) {
      int open = template.indexOf("{{", at);
      int close = open < 0 ? -1 : template.indexOf("}}", open);
      if (close < 0) {
        return out.append(template, at, template.length()).toString();
      }
      out.append(template, at, open)
          .append(parts.getOrDefault(template.substring(open + 2, close), ""));
      at = close + 2;
    }
  }

  /** A script as the page's security policy names it. */
  private static String source(String script) {
    byte[] hash =
        HexFormat.of().parseHex(Canonical.sha256(script.getBytes(StandardCharsets.UTF_8)));
    return "'sha256-" + Base64.getEncoder().encodeToString(hash) + "'";
  }

  private static String escape(String text) {
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
  }

  private static String resource(String name) {
    try (InputStream in = HtmlReport.class.getResourceAsStream(name)) {
      if (in == null) {
        throw new EspalierException(
            EspalierException.Code.RESOURCE,
            "The report's part (" + name + ") is not on the class path.",
            "Maybe build again with ./mvnw package.");
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new EspalierException(
          EspalierException.Code.RESOURCE,
          "The report's part (" + name + ") cannot be read.",
          null,
          e);
    }
  }

  private static Map<String, Object> content(RunData data) {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("study", data.run().path("study").asText());
    // Reports are handed on: where the study's file lay is of no use to others.
    map.put("run", data.run().<ObjectNode>deepCopy().remove(List.of("base", "file")));
    map.put("environment", data.environment());
    map.put("plan", data.plan());
    map.put("resolved", data.resolved());
    map.put("notes", data.notes());
    Summary summary = data.summary();
    Map<String, Object> levels = new LinkedHashMap<>();
    summary.levels().forEach(level -> levels.put(level, summary.heading(level)));
    map.put("headings", levels);
    map.put("summary", summary);
    Map<Series, List<CellRecord>> series = new HashMap<>();
    for (CellRecord record : data.records()) {
      series.computeIfAbsent(Series.of(record), any -> new ArrayList<>()).add(record);
    }
    map.put(
        "curves",
        summary.rows().stream()
            .map(row -> AnytimeCurves.of(series.getOrDefault(row.series(), List.of())))
            .toList());
    List<Object> failures = new ArrayList<>();
    Map<String, Integer> reasons = new TreeMap<>();
    Set<Integer> jobs = new TreeSet<>();
    int failed = 0;
    for (CellRecord record : data.records()) {
      String why = failure(record);
      if (why != null) {
        failed++;
        reasons.merge(reason(why), 1, Integer::sum);
        if (failures.size() < MOST_FAILURES) {
          failures.add(failure(record, why));
        }
      }
    }
    data.records().stream()
        .map(record -> record.time().jobs())
        .filter(Objects::nonNull)
        .forEach(jobs::add);
    map.put("jobs", jobs);
    map.put(
        "reasons",
        reasons.entrySet().stream()
            .sorted(Map.Entry.<String, Integer>comparingByValue().reversed())
            .map(entry -> Map.of("why", entry.getKey(), "searches", entry.getValue()))
            .toList());
    map.put("failures", failures);
    map.put("failed", failed);
    map.put("total", data.records().size());
    return map;
  }

  /** A failure without what differs from search to search: its first sentence, numbers aside. */
  private static String reason(String why) {
    String first = why.strip().split("\n", 2)[0];
    return first.replaceAll("\\d+(\\.\\d+)?", "\u2026");
  }

  /** Adds galleries and trees, prompt by prompt, as far as they fit into so many bytes. */
  private static void addCells(
      RunData data, Map<String, Object> map, Size size, long allowedBytes) {
    Map<Series, Integer> rowOf = new HashMap<>();
    data.summary().rows().forEach(row -> rowOf.put(row.series(), rowOf.size()));
    long seed = data.records().stream().mapToLong(CellRecord::seed).min().orElse(0);
    Map<String, List<CellRecord>> shown = promptsShown(data, seed);
    List<Object> prompts = new ArrayList<>();
    List<Object> trees = new ArrayList<>();
    // Two thirds for what is looked at first; trees get what the images leave.
    long imageBytes = 0;
    long treeBytes = 0;
    List<Map<String, Object>> cells = new ArrayList<>();
    List<CellRecord> shownRecords = new ArrayList<>();
    for (List<CellRecord> records : shown.values()) {
      List<Map<String, Object>> mine = new ArrayList<>();
      long bytes = 256;
      for (CellRecord record : records) {
        Map<String, Object> cell = cell(record, rowOf);
        String image =
            record instanceof CellRecord.Done done
                ? image(data.directory(), done.images().answer(), size)
                : null;
        if (image != null) {
          cell.put("image", image);
          bytes += image.length();
        }
        bytes += 256;
        mine.add(cell);
      }
      if (imageBytes + bytes > allowedBytes * 2 / 3) {
        break;
      }
      imageBytes += bytes;
      CellRecord first = records.get(0);
      Map<String, Object> prompt = new LinkedHashMap<>();
      prompt.put("id", first.prompt().id());
      prompt.put("tag", first.prompt().tag());
      prompt.put("text", first.prompt().text());
      prompts.add(prompt);
      cells.addAll(mine);
      shownRecords.addAll(records);
    }
    for (int i = 0; i < shownRecords.size(); i++) {
      String name = shownRecords.get(i) instanceof CellRecord.Done done ? done.tree() : null;
      Tree tree = name == null ? null : tree(data.directory(), name);
      if (tree != null && imageBytes + treeBytes + tree.bytes() <= allowedBytes) {
        treeBytes += tree.bytes();
        cells.get(i).put("tree", trees.size());
        trees.add(tree.json());
      }
    }
    map.put("prompts", prompts);
    map.put("cells", cells);
    map.put("trees", trees);
    map.put("left", data.records().size() - cells.size());
  }

  private static Map<String, Object> cell(CellRecord record, Map<Series, Integer> rowOf) {
    Map<String, Object> cell = new LinkedHashMap<>();
    cell.put("prompt", record.prompt().id());
    cell.put("row", rowOf.get(Series.of(record)));
    cell.put("status", record.isDone() ? "done" : "failed");
    cell.put("stop", record instanceof CellRecord.Done done ? done.found().stop() : null);
    cell.put("metric", record.metric());
    cell.put("score", record.score());
    cell.put("flops", record.axes().totalFlops());
    cell.put("nfe", record.axes().nfe());
    cell.put("calls", record.axes().verifierCalls());
    cell.put("seconds", record.seconds());
    return cell;
  }

  /** Why a cell has no answer, or its answer no metric; null where it has both. */
  private static @Nullable String failure(CellRecord record) {
    if (record instanceof CellRecord.Failed failed) {
      return failed.error().message();
    }
    if (record instanceof CellRecord.Done done && !done.evaluation().answer().isEmpty()) {
      CellRecord.Judged judged = done.evaluation().answer().get(0);
      if (judged.value() == null && judged.failed() != null) {
        return "the evaluator failed: " + judged.failed();
      }
    }
    return null;
  }

  private static Map<String, Object> failure(CellRecord record, String why) {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("arm", record.arm());
    map.put("model", record.model());
    map.put("level", record.level());
    map.put("prompt", record.prompt().text());
    map.put("seed", record.seed());
    map.put("why", why);
    return map;
  }

  /** Cells of one seed by prompt, prompts from all tags in turn, at most so many. */
  private static Map<String, List<CellRecord>> promptsShown(RunData data, long seed) {
    Map<String, List<CellRecord>> byPrompt = new LinkedHashMap<>();
    for (CellRecord record : data.records()) {
      if (record.seed() == seed) {
        byPrompt.computeIfAbsent(record.prompt().id(), id -> new ArrayList<>()).add(record);
      }
    }
    Map<String, List<CellRecord>> shown = new LinkedHashMap<>();
    Turns.interleaved(List.copyOf(byPrompt.values()), cells -> cells.get(0).prompt().tag()).stream()
        .limit(MOST_PROMPTS)
        .forEach(cells -> shown.put(cells.get(0).prompt().id(), cells));
    return shown;
  }

  private static @Nullable String image(RunDirectory directory, String name, Size size) {
    Path file = directory.file(name);
    if (!Files.isRegularFile(file)) {
      return null;
    }
    try {
      return DataUri.of(file, size.side(), size.lossy());
    } catch (EspalierException e) {
      return null;
    }
  }

  private record Tree(JsonNode json, long bytes) {}

  private static @Nullable Tree tree(RunDirectory directory, String name) {
    Path file = directory.file(name);
    if (!Files.isRegularFile(file)) {
      return null;
    }
    JsonNode tree = RunFiles.json(file);
    try {
      if (tree.path("sheet") instanceof ObjectNode sheet) {
        Path thumbnails = directory.file(sheet.path("file").asText());
        if (Files.isRegularFile(thumbnails)) {
          String uri =
              "data:image/jpeg;base64,"
                  + Base64.getEncoder().encodeToString(Files.readAllBytes(thumbnails));
          sheet.put("uri", uri);
        }
      }
    } catch (IOException e) {
      return null;
    }
    return new Tree(tree, tree.toString().length() + 16L);
  }
}
