package org.espalier.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.espalier.records.CellRecord;
import org.espalier.records.RecordLog;
import org.jspecify.annotations.Nullable;

/**
 * What differs between two runs, times left out. Cells are joined by arm, model, level, prompt and
 * seed, so that runs of different versions or weights compare too.
 *
 * @param configuration differing values of the resolved configurations, {@code path: a -> b}
 * @param onlyFirst cells of the first run alone
 * @param onlySecond cells of the second run alone
 * @param equal cells whose records are equal but for times
 * @param differing cells whose records differ, with the paths that do
 * @param series difference of the metric (else of the verifier score) per arm, model and level,
 *     second less first
 */
public record RunComparison(
    List<String> configuration,
    List<String> onlyFirst,
    List<String> onlySecond,
    int equal,
    Map<String, List<String>> differing,
    Map<String, PairedBootstrap.Interval> series) {

  /** Whether the runs are the same but for times. */
  public boolean same() {
    return configuration.isEmpty()
        && onlyFirst.isEmpty()
        && onlySecond.isEmpty()
        && differing.isEmpty();
  }

  /**
   * Compares two runs.
   *
   * @param first a run
   * @param second another
   */
  public static RunComparison of(RunData first, RunData second) {
    Map<String, CellRecord> a = byName(first);
    Map<String, CellRecord> b = byName(second);
    List<String> onlyFirst = a.keySet().stream().filter(name -> !b.containsKey(name)).toList();
    List<String> onlySecond = b.keySet().stream().filter(name -> !a.containsKey(name)).toList();
    int equal = 0;
    Map<String, List<String>> differing = new LinkedHashMap<>();
    Map<String, Map<String, List<Double>>> differences = new LinkedHashMap<>();
    for (Map.Entry<String, CellRecord> entry : a.entrySet()) {
      CellRecord other = b.get(entry.getKey());
      if (other == null) {
        continue;
      }
      List<String> paths = new ArrayList<>();
      diff("", timeless(entry.getValue()), timeless(other), paths);
      if (paths.isEmpty()) {
        equal++;
      } else {
        differing.put(entry.getKey(), paths);
      }
      Double difference = difference(entry.getValue(), other);
      if (difference != null) {
        CellRecord record = entry.getValue();
        differences
            .computeIfAbsent(Series.of(record).toString(), k -> new LinkedHashMap<>())
            .computeIfAbsent(record.prompt().id(), k -> new ArrayList<>())
            .add(difference);
      }
    }
    Map<String, PairedBootstrap.Interval> series = new LinkedHashMap<>();
    differences.forEach(
        (name, byPrompt) ->
            series.put(
                name,
                PairedBootstrap.mean(
                    byPrompt.values().stream()
                        .map(
                            list ->
                                list.stream().mapToDouble(Double::doubleValue).average().orElse(0))
                        .toList())));
    List<String> configuration = new ArrayList<>();
    diff("", first.resolved(), second.resolved(), configuration);
    return new RunComparison(configuration, onlyFirst, onlySecond, equal, differing, series);
  }

  private static @Nullable Double difference(CellRecord a, CellRecord b) {
    Double x = a.metric() == null ? a.score() : a.metric();
    Double y = a.metric() == null ? b.score() : b.metric();
    return x == null || y == null ? null : (Double) (y - x);
  }

  private static Map<String, CellRecord> byName(RunData data) {
    Map<String, CellRecord> result = new LinkedHashMap<>();
    for (CellRecord record : data.records()) {
      result.put(
          "%s, prompt %s, seed %d"
              .formatted(Series.of(record), record.prompt().id(), record.seed()),
          record);
    }
    return result;
  }

  private static JsonNode timeless(CellRecord record) {
    JsonNode tree = RecordLog.tree(record);
    if (tree instanceof ObjectNode object) {
      // The files are named after the cell's key; where the keys differ that says it all.
      object.remove(List.of("time", "tree"));
      if (object.path("images") instanceof ObjectNode images) {
        images.retain("answerSha256");
      }
    }
    return tree;
  }

  private static void diff(String path, JsonNode a, JsonNode b, List<String> into) {
    if (a.equals(b)) {
      return;
    }
    if (a.isObject() && b.isObject()) {
      TreeSet<String> names = new TreeSet<>();
      a.fieldNames().forEachRemaining(names::add);
      b.fieldNames().forEachRemaining(names::add);
      for (String name : names) {
        diff(path.isEmpty() ? name : path + "." + name, a.path(name), b.path(name), into);
      }
    } else if (a.isArray() && b.isArray() && a.size() == b.size()) {
      Iterator<JsonNode> left = a.iterator();
      Iterator<JsonNode> right = b.iterator();
      for (int i = 0; left.hasNext(); i++) {
        diff(path + "[" + i + "]", left.next(), right.next(), into);
      }
    } else {
      into.add(path + ": " + brief(a) + " -> " + brief(b));
    }
  }

  private static String brief(JsonNode node) {
    if (node.isMissingNode()) {
      return "absent";
    }
    String text = node.toString();
    return text.length() <= 60 ? text : text.substring(0, 57) + "...";
  }

  /** For people. */
  public String text() {
    StringBuilder out = new StringBuilder();
    list(out, "configuration", configuration);
    list(out, "only in the first run", onlyFirst);
    list(out, "only in the second run", onlySecond);
    int shown = 0;
    for (Map.Entry<String, List<String>> entry : differing.entrySet()) {
      if (shown++ == 20) {
        out.append("... and ").append(differing.size() - 20).append(" further cells differ\n");
        break;
      }
      list(out, entry.getKey(), entry.getValue());
    }
    if (!same()) {
      series.forEach(
          (name, interval) ->
              out.append(name)
                  .append(": second less first ")
                  .append(SummaryTables.interval(interval, 4))
                  .append('\n'));
    }
    out.append(equal)
        .append(" cells are equal but for times, ")
        .append(differing.size())
        .append(" differ, ")
        .append(onlyFirst.size() + onlySecond.size())
        .append(" are in one run only\n");
    return out.toString();
  }

  private static void list(StringBuilder out, String title, List<String> lines) {
    if (!lines.isEmpty()) {
      out.append(title).append(":\n");
      lines.stream().limit(8).forEach(line -> out.append("  ").append(line).append('\n'));
      if (lines.size() > 8) {
        out.append("  ... and ").append(lines.size() - 8).append(" more\n");
      }
    }
  }
}
