package org.espalier.study.report;

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
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.espalier.api.EspalierException;
import org.espalier.study.CellRecord;
import org.espalier.study.Images;
import org.espalier.study.RunDirectory;
import org.jspecify.annotations.Nullable;

/**
 * Writes the report: one HTML file that holds its data, images, style, script and chart library and
 * asks nothing of any server.
 */
public final class HtmlReport {
  private static final String CHART =
      "/META-INF/resources/webjars/chart.js/4.5.1/dist/chart.umd.min.js";

  /** Beyond these the file would get too large to open; the page says what was left out. */
  private static final int MOST_PROMPTS = 64;

  private static final long MOST_IMAGE_CHARS = 24L << 20;
  private static final long MOST_TREE_CHARS = 24L << 20;
  private static final int IMAGE_SIDE = 256;

  private HtmlReport() {}

  /**
   * Writes {@code report/index.html} of a run.
   *
   * @param data the run
   * @return the file
   */
  public static Path write(RunData data) {
    Path file = data.directory().report();
    RunDirectory.write(file, html(data).getBytes(StandardCharsets.UTF_8));
    return file;
  }

  static String html(RunData data) {
    // "<" is escaped so that no text of a prompt can end the script element.
    String json = RunJson.compact(content(data)).replace("<", "\\u003c");
    String template = resource("/org/espalier/study/report/report.html");
    Map<String, String> parts = new LinkedHashMap<>();
    parts.put("TITLE", escape(data.run().path("study").asText()));
    parts.put("STYLE", resource("/org/espalier/study/report/report.css"));
    parts.put("CHART", resource(CHART).replaceAll("(?m)^//# sourceMappingURL=.*$", ""));
    parts.put("SCRIPT", resource("/org/espalier/study/report/report.js"));
    parts.put("TABLE", escape(data.summary().text()));
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
    map.put("run", data.run());
    map.put("environment", data.environment());
    map.put("plan", data.plan());
    map.put("resolved", data.resolved());
    map.put("notes", data.notes());
    Summary summary = data.summary();
    Map<String, Object> levels = new LinkedHashMap<>();
    for (Summary.Row row : summary.rows()) {
      levels.computeIfAbsent(
          row.level(),
          level ->
              summary.heading(
                  level, summary.rows().stream().filter(r -> r.level().equals(level)).toList()));
    }
    map.put("headings", levels);
    map.put("summary", summary);
    Map<String, Integer> rowOf = new HashMap<>();
    List<Object> curves = new ArrayList<>();
    for (int i = 0; i < summary.rows().size(); i++) {
      Summary.Row row = summary.rows().get(i);
      rowOf.put(key(row.arm(), row.model(), row.level()), i);
      curves.add(
          AnytimeCurves.of(
              data.records().stream()
                  .filter(
                      r ->
                          r.arm().equals(row.arm())
                              && r.model().equals(row.model())
                              && r.level().equals(row.level()))
                  .toList()));
    }
    map.put("curves", curves);
    addCells(data, rowOf, map);
    return map;
  }

  private static String key(String arm, String model, String level) {
    return arm + "\n" + model + "\n" + level;
  }

  private static void addCells(RunData data, Map<String, Integer> rowOf, Map<String, Object> map) {
    Set<String> shown = promptsShown(data);
    long seed = data.records().stream().mapToLong(CellRecord::seed).min().orElse(0);
    List<Object> cells = new ArrayList<>();
    List<Object> failures = new ArrayList<>();
    Map<String, Map<String, Object>> prompts = new LinkedHashMap<>();
    List<Object> trees = new ArrayList<>();
    long imageChars = 0;
    long treeChars = 0;
    int left = 0;
    for (CellRecord record : data.records()) {
      if (!record.isDone()
          || (record.evaluation() != null && record.metric() == null && hasJudge(record))) {
        failures.add(failure(record));
      }
      if (!shown.contains(record.prompt().id()) || record.seed() != seed) {
        left++;
        continue;
      }
      prompts.computeIfAbsent(
          record.prompt().id(),
          id -> {
            Map<String, Object> prompt = new LinkedHashMap<>();
            prompt.put("id", id);
            prompt.put("tag", record.prompt().tag());
            prompt.put("text", record.prompt().text());
            return prompt;
          });
      Map<String, Object> cell = new LinkedHashMap<>();
      cell.put("prompt", record.prompt().id());
      cell.put("row", rowOf.get(key(record.arm(), record.model(), record.level())));
      cell.put("status", record.status());
      cell.put("stop", record.stop());
      cell.put("metric", record.metric());
      cell.put("score", record.score());
      cell.put("flops", record.axes().totalFlops());
      cell.put("nfe", record.axes().nfe());
      cell.put("calls", record.axes().verifierCalls());
      cell.put("seconds", record.seconds());
      if (record.images() != null && imageChars < MOST_IMAGE_CHARS) {
        String image = image(data.directory(), record.images().answer());
        if (image != null) {
          imageChars += image.length();
          cell.put("image", image);
        }
      }
      if (record.tree() != null && treeChars < MOST_TREE_CHARS) {
        Tree tree = tree(data.directory(), record.tree());
        if (tree != null) {
          treeChars += tree.chars();
          cell.put("tree", trees.size());
          trees.add(tree.json());
        }
      }
      cells.add(cell);
    }
    map.put("prompts", prompts.values());
    map.put("cells", cells);
    map.put("trees", trees);
    map.put("failures", failures);
    map.put("left", left);
    map.put("total", data.records().size());
  }

  private static boolean hasJudge(CellRecord record) {
    return record.evaluation() != null && !record.evaluation().answer().isEmpty();
  }

  private static Map<String, Object> failure(CellRecord record) {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("arm", record.arm());
    map.put("model", record.model());
    map.put("level", record.level());
    map.put("prompt", record.prompt().text());
    map.put("seed", record.seed());
    String why = "the evaluator failed";
    if (record.error() != null) {
      why = record.error().message();
    } else if (record.evaluation() != null
        && record.evaluation().answer().get(0).failed() != null) {
      why = "the evaluator failed: " + record.evaluation().answer().get(0).failed();
    }
    map.put("why", why);
    return map;
  }

  /** Prompts from all tags in turn, at most so many. */
  private static Set<String> promptsShown(RunData data) {
    Map<String, List<String>> byTag = new LinkedHashMap<>();
    Set<String> seen = new LinkedHashSet<>();
    for (CellRecord record : data.records()) {
      if (seen.add(record.prompt().id())) {
        byTag
            .computeIfAbsent(record.prompt().tag(), tag -> new ArrayList<>())
            .add(record.prompt().id());
      }
    }
    Set<String> shown = new LinkedHashSet<>();
    for (int round = 0; shown.size() < Math.min(MOST_PROMPTS, seen.size()); round++) {
      for (List<String> ids : byTag.values()) {
        if (round < ids.size() && shown.size() < MOST_PROMPTS) {
          shown.add(ids.get(round));
        }
      }
    }
    return shown;
  }

  private static @Nullable String image(RunDirectory directory, String name) {
    try {
      Path file = directory.root().resolve(name);
      if (!Files.isRegularFile(file)) {
        return null;
      }
      return Images.dataUri(file, IMAGE_SIDE);
    } catch (EspalierException e) {
      return null;
    }
  }

  private record Tree(JsonNode json, long chars) {}

  private static @Nullable Tree tree(RunDirectory directory, String name) {
    Path file = directory.root().resolve(name);
    if (!Files.isRegularFile(file)) {
      return null;
    }
    JsonNode tree = RunDirectory.readJson(file);
    long chars = tree.path("nodes").size() * 160L;
    try {
      if (tree.path("sheet") instanceof ObjectNode sheet) {
        Path thumbnails = directory.root().resolve(sheet.path("file").asText());
        if (Files.isRegularFile(thumbnails)) {
          String uri =
              "data:image/jpeg;base64,"
                  + Base64.getEncoder().encodeToString(Files.readAllBytes(thumbnails));
          sheet.put("uri", uri);
          chars += uri.length();
        }
      }
    } catch (IOException e) {
      return null;
    }
    return new Tree(tree, chars);
  }
}
