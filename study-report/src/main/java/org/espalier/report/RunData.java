package org.espalier.report;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.espalier.records.CellRecord;
import org.espalier.records.RecordLog;
import org.espalier.records.RunDirectory;
import org.espalier.records.RunFiles;

/**
 * A run as read from its directory; no plugin is needed for it.
 *
 * @param directory where it lies
 * @param run how it was started
 * @param resolved its configuration
 * @param plan cards, costs and levels
 * @param environment what it was made with
 * @param prompts with their metadata
 * @param records its cells in the study's order
 * @param summary what they say
 * @param notes what is wrong with the record file, if anything
 */
public record RunData(
    RunDirectory directory,
    JsonNode run,
    JsonNode resolved,
    JsonNode plan,
    JsonNode environment,
    List<JsonNode> prompts,
    List<CellRecord> records,
    Summary summary,
    List<String> notes) {

  /**
   * Reads a run.
   *
   * @param directory where it lies
   */
  public static RunData read(RunDirectory directory) {
    RecordLog.Content<CellRecord> content = RecordLog.read(directory.records());
    JsonNode plan = RunFiles.json(directory.plan());
    Map<String, Integer> arms = new HashMap<>();
    Map<String, Integer> models = new HashMap<>();
    Map<String, Integer> levels = new HashMap<>();
    for (JsonNode arm : plan.path("arms")) {
      arms.putIfAbsent(arm.path("name").asText(), arms.size());
      arm.path("models").forEach(model -> models.putIfAbsent(model.asText(), models.size()));
    }
    List<CellRecord> records = new ArrayList<>(content.records().values());
    records.stream()
        .sorted(Comparator.comparingDouble(record -> record.budget().limit()))
        .forEach(record -> levels.putIfAbsent(record.level(), levels.size()));
    List<JsonNode> prompts = RunFiles.jsonLines(directory.prompts());
    Map<String, Integer> order = new HashMap<>();
    prompts.forEach(prompt -> order.putIfAbsent(prompt.path("id").asText(), order.size()));
    records.sort(
        Comparator.comparingInt((CellRecord r) -> order.getOrDefault(r.prompt().id(), order.size()))
            .thenComparingLong(CellRecord::seed)
            .thenComparingInt(r -> levels.getOrDefault(r.level(), 0))
            .thenComparingInt(r -> arms.getOrDefault(r.arm(), 0))
            .thenComparingInt(r -> models.getOrDefault(r.model(), 0)));
    return new RunData(
        directory,
        RunFiles.json(directory.run()),
        RunFiles.json(directory.resolved()),
        plan,
        RunFiles.json(directory.environment()),
        prompts,
        List.copyOf(records),
        Summary.of(records, plan.path("tolerance").asDouble(0.05)),
        content.notes());
  }
}
