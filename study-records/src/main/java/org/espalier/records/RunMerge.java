package org.espalier.records;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.espalier.api.EspalierException;

/**
 * Makes one run of shards that were run apart. Its records are those of an unsharded run byte for
 * byte, but for times.
 */
public final class RunMerge {
  private final List<RunDirectory> runs;

  private RunMerge(List<RunDirectory> runs) {
    this.runs = runs;
  }

  /**
   * What was merged.
   *
   * @param directory the run made
   * @param records how many cells it has
   * @param duplicates records that another shard had, too
   * @param missing numbers of the shards that are not there
   */
  public record Merged(
      RunDirectory directory, int records, int duplicates, List<Integer> missing) {}

  /** A record and the run that it comes from. */
  private record Origin(RunDirectory run, CellRecord record) {}

  /**
   * Merges runs of one configuration.
   *
   * @param runs the shards, in any order
   * @param out the directory of the run that is made; must be empty or absent
   * @param partial whether shards may be missing; their cells are then missing, as in a run that
   *     was stopped, and {@code resume} runs them
   * @throws EspalierException CONFIG if runs are of different configurations, weights or versions,
   *     if two of them disagree about a cell, or if a shard is missing that must not be
   */
  public static Merged merge(List<RunDirectory> runs, Path out, boolean partial) {
    if (runs.isEmpty()) {
      throw EspalierException.config("There is no run to merge.", "Maybe name the shards' runs.");
    }
    RunDirectory.requireUsable(out);
    RunMerge merge = new RunMerge(runs);
    merge.requireOneStudy();
    List<Integer> missing = merge.missing();
    if (!missing.isEmpty() && !partial) {
      throw EspalierException.config(
          "The shards %s are missing.".formatted(missing),
          "Maybe add them, or use --partial: their cells are then missing.");
    }
    Map<String, Origin> origins = new LinkedHashMap<>();
    int duplicates = merge.collect(origins);
    RunDirectory.Claim claim = RunDirectory.claim(out);
    try (AutoCloseable lock = claim.lock()) {
      merge.write(claim.directory(), origins);
    } catch (RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new IllegalStateException("a lock is released", e);
    }
    return new Merged(claim.directory(), origins.size(), duplicates, missing);
  }

  private void requireOneStudy() {
    RunDirectory first = runs.get(0);
    for (RunDirectory run : runs.subList(1, runs.size())) {
      requireEqual(
          first,
          run,
          "configuration",
          RunFiles.json(first.run()).path("configSha256"),
          RunFiles.json(run.run()).path("configSha256"));
      requireEqual(
          first,
          run,
          "version of Espalier",
          RunFiles.json(first.environment()).path("espalier"),
          RunFiles.json(run.environment()).path("espalier"));
      requireEqual(
          first,
          run,
          "plan (cards of models and verifiers, costs, levels)",
          RunFiles.json(first.plan()),
          RunFiles.json(run.plan()));
    }
  }

  private static void requireEqual(
      RunDirectory first, RunDirectory other, String what, JsonNode one, JsonNode two) {
    if (!one.equals(two)) {
      throw EspalierException.config(
          "The runs (%s) and (%s) are not of one study: the %s differs%s."
              .formatted(
                  first.root(),
                  other.root(),
                  what,
                  one.isValueNode() ? " (" + one.asText() + ", " + two.asText() + ")" : ""),
          "Maybe run all shards with the same study, weights, plugins and version.");
    }
  }

  private static String shard(RunDirectory run) {
    return RunFiles.json(run.run()).path("shard").asText("1/1");
  }

  private List<Integer> missing() {
    TreeSet<Integer> found = new TreeSet<>();
    int count = 0;
    for (RunDirectory run : runs) {
      String[] parts = shard(run).split("/", 2);
      int of = Integer.parseInt(parts[1]);
      if (count != 0 && count != of) {
        throw EspalierException.config(
            "The run (%s) is one of %d shards, the run (%s) one of %d."
                .formatted(runs.get(0).root(), count, run.root(), of),
            "Maybe merge shards of one division.");
      }
      count = of;
      found.add(Integer.parseInt(parts[0]));
    }
    return IntStream.rangeClosed(1, count).filter(i -> !found.contains(i)).boxed().toList();
  }

  private int collect(Map<String, Origin> origins) {
    int duplicates = 0;
    for (RunDirectory run : runs) {
      for (CellRecord record : RecordLog.read(run.records()).records().values()) {
        Origin origin = new Origin(run, record);
        Origin other = origins.putIfAbsent(record.cell(), origin);
        if (other == null) {
          continue;
        }
        duplicates++;
        if (record.isDone() && !other.record().isDone()) {
          origins.put(record.cell(), origin);
        } else if (record.isDone() == other.record().isDone()
            && !RecordLog.withoutTimes(record).equals(RecordLog.withoutTimes(other.record()))) {
          throw EspalierException.config(
              "The runs (%s) and (%s) disagree about the cell (%s: %s on %s, prompt %s, seed %d)."
                  .formatted(
                      other.run().root(),
                      run.root(),
                      record.cell(),
                      record.arm(),
                      record.model(),
                      record.prompt().id(),
                      record.seed()),
              "Maybe one of them ran on another device: leave one out.");
        }
      }
    }
    return duplicates;
  }

  private void write(RunDirectory target, Map<String, Origin> origins) {
    RunDirectory first = runs.get(0);
    for (String name :
        List.of("study.yaml", "resolved.json", "plan.json", "environment.json", "prompts.jsonl")) {
      copy(first.root().resolve(name), target.root().resolve(name));
    }
    List<Origin> ordered = new ArrayList<>(origins.values());
    ordered.sort(Comparator.comparing(Origin::record, order(first)));
    ordered.parallelStream().forEach(origin -> copyFiles(origin, target));
    try (RecordLog log = RecordLog.append(target.records())) {
      ordered.forEach(origin -> log.write(origin.record()));
    }
    Map<String, Object> run =
        new LinkedHashMap<>(
            RunFiles.JSON.convertValue(
                RunFiles.json(first.run()), new TypeReference<Map<String, Object>>() {}));
    run.remove("shard");
    run.put("mergedFrom", runs.stream().map(RunMerge::shard).toList());
    RunFiles.writeJson(target.run(), run);
  }

  private static void copyFiles(Origin origin, RunDirectory target) {
    if (!(origin.record() instanceof CellRecord.Done done)) {
      return;
    }
    CellRecord.Images images = done.images();
    WholeFile.write(
        target.file(images.answer()), origin.run().answer(images.answer(), images.answerSha256()));
    String incumbent = images.incumbent();
    if (incumbent != null) {
      copyFile(origin.run(), target, incumbent);
    }
    String tree = done.tree();
    if (tree != null) {
      copyFile(origin.run(), target, tree);
      JsonNode sheet = RunFiles.json(origin.run().file(tree)).path("sheet").path("file");
      if (sheet.isTextual()) {
        copyFile(origin.run(), target, sheet.asText());
      }
    }
  }

  private static void copyFile(RunDirectory from, RunDirectory to, String name) {
    copy(from.file(name), to.file(name));
  }

  private static void copy(Path from, Path to) {
    try {
      WholeFile.write(to, Files.readAllBytes(from));
    } catch (IOException e) {
      throw WholeFile.problem(from, e);
    }
  }

  /** The order in which one job runs the cells of the whole study. */
  private static Comparator<CellRecord> order(RunDirectory run) {
    Map<String, Integer> prompts = new HashMap<>();
    for (JsonNode prompt :
        Turns.interleaved(RunFiles.jsonLines(run.prompts()), line -> line.path("tag").asText())) {
      prompts.put(prompt.path("id").asText(), prompts.size());
    }
    Map<List<String>, Integer> searchers = new HashMap<>();
    for (JsonNode arm : RunFiles.json(run.resolved()).path("arms")) {
      for (JsonNode model : arm.path("models")) {
        for (JsonNode level : arm.path("levels")) {
          searchers.put(
              List.of(arm.path("name").asText(), model.asText(), level.asText()), searchers.size());
        }
      }
    }
    return Comparator.comparingLong(CellRecord::seed)
        .thenComparingInt(record -> prompts.getOrDefault(record.prompt().id(), prompts.size()))
        .thenComparingInt(
            record ->
                searchers.getOrDefault(
                    List.of(record.arm(), record.model(), record.level()), searchers.size()))
        .thenComparing(CellRecord::cell);
  }
}
