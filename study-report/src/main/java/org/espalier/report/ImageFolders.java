package org.espalier.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.espalier.api.EspalierException;
import org.espalier.plugins.Canonical;
import org.espalier.records.CellRecord;
import org.espalier.records.WholeFile;
import org.jspecify.annotations.Nullable;

/**
 * Answers in the folders that the scorers of benchmarks read, one set per arm, model and level.
 * Prompts are numbered as the study has them and samples by their seed, whether or not a search has
 * an answer: what is missing leaves a gap, never another's number.
 */
final class ImageFolders {
  /** What a file name may take on the usual file systems. */
  private static final int LONGEST_NAME = 255;

  private static final int LONGEST_FOLDER = 120;

  private final RunData data;
  private final Path out;
  private final Consumer<String> notes;
  private final List<String> prompts = new ArrayList<>();
  private final List<Long> seeds = new ArrayList<>();
  private final Map<Series, String> folders;

  /**
   * @param data the run
   * @param out the directory to write into
   * @param notes told what a reader of the folders must know
   */
  ImageFolders(RunData data, Path out, Consumer<String> notes) {
    this.data = data;
    this.out = out;
    this.notes = notes;
    data.prompts().forEach(prompt -> prompts.add(prompt.path("id").asText()));
    long first = data.resolved().path("seed").asLong();
    for (int i = 0; i < Math.max(1, data.resolved().path("seeds").asInt(1)); i++) {
      seeds.add(first + i);
    }
    folders = folders(series());
  }

  /** Every series of the study, in its order, whether or not a search of it ended. */
  private Set<Series> series() {
    Set<Series> all = new LinkedHashSet<>();
    for (JsonNode arm : data.resolved().path("arms")) {
      for (JsonNode model : arm.path("models")) {
        for (JsonNode level : arm.path("levels")) {
          all.add(new Series(arm.path("name").asText(), model.asText(), level.asText()));
        }
      }
    }
    data.records().forEach(record -> all.add(Series.of(record)));
    return all;
  }

  /** A folder's name for each series; names that would be one get a part of their hash. */
  private static Map<Series, String> folders(Set<Series> series) {
    Map<Series, String> plain = new LinkedHashMap<>();
    Map<String, Integer> uses = new HashMap<>();
    for (Series each : series) {
      String name =
          (each.arm() + "-" + each.model() + "-" + each.level()).replaceAll("[^A-Za-z0-9._-]", "_");
      plain.put(each, name);
      uses.merge(name.toLowerCase(Locale.ROOT), 1, Integer::sum);
    }
    plain.replaceAll(
        (each, name) -> {
          if (name.length() <= LONGEST_FOLDER
              && uses.getOrDefault(name.toLowerCase(Locale.ROOT), 0) == 1) {
            return name;
          }
          String hash = Canonical.sha256(List.of(each.arm(), each.model(), each.level()));
          return name.substring(0, Math.min(name.length(), LONGEST_FOLDER))
              + "-"
              + hash.substring(0, 8);
        });
    return plain;
  }

  /**
   * A place among the samples.
   *
   * @param prompt number of the prompt in the study, from 0
   * @param sample number of the seed, from 0
   */
  private record Place(int prompt, int sample) {}

  /** Receives a search that has an answer. */
  @FunctionalInterface
  private interface Sample {
    void write(Path root, Place place, CellRecord.Done done);
  }

  /** Hands every answer to a writer, in order, and says which are not there. */
  private void forEach(Sample writer) {
    Map<Series, Map<Place, CellRecord>> cells = new HashMap<>();
    Map<String, Integer> numbers = new HashMap<>();
    prompts.forEach(id -> numbers.put(id, numbers.size()));
    for (CellRecord record : data.records()) {
      Integer prompt = numbers.get(record.prompt().id());
      int sample = seeds.indexOf(record.seed());
      if (prompt != null && sample >= 0) {
        cells
            .computeIfAbsent(Series.of(record), series -> new HashMap<>())
            .put(new Place(prompt, sample), record);
      }
    }
    StringBuilder absent = new StringBuilder();
    int failed = 0;
    int missing = 0;
    for (Map.Entry<Series, String> each : folders.entrySet()) {
      Map<Place, CellRecord> own = cells.getOrDefault(each.getKey(), Map.of());
      for (int prompt = 0; prompt < prompts.size(); prompt++) {
        for (int sample = 0; sample < seeds.size(); sample++) {
          CellRecord record = own.get(new Place(prompt, sample));
          if (record instanceof CellRecord.Done done) {
            writer.write(out.resolve(each.getValue()), new Place(prompt, sample), done);
            continue;
          }
          failed += record == null ? 0 : 1;
          missing += record == null ? 1 : 0;
          ObjectNode line = RunJson.object();
          line.put("folder", each.getValue());
          line.put("arm", each.getKey().arm());
          line.put("model", each.getKey().model());
          line.put("level", each.getKey().level());
          line.put("prompt_id", prompts.get(prompt));
          line.put("prompt", prompt);
          line.put("sample", sample);
          line.put(
              "why",
              record instanceof CellRecord.Failed failure ? failure.error().message() : "not run");
          absent.append(line).append('\n');
        }
      }
    }
    if (failed + missing > 0) {
      WholeFile.write(
          out.resolve("missing.jsonl"), absent.toString().getBytes(StandardCharsets.UTF_8));
      notes.accept(
          "%d searches failed and %d have not run: their samples are missing, their numbers left out; %s lists them."
              .formatted(failed, missing, out.resolve("missing.jsonl")));
    }
  }

  private void copy(CellRecord.Done record, Path to) {
    CellRecord.Images images = record.images();
    WholeFile.write(to, data.directory().answer(images.answer(), images.answerSha256()));
  }

  /** Number of the first evaluator that says whether an image is correct, or -1. */
  private int correctness() {
    JsonNode evaluators = data.plan().path("verifiers").path("evaluate");
    for (int i = 0; i < evaluators.size(); i++) {
      if (evaluators.get(i).path("range").asText().matches("(0 or 1|\\{0, 1\\}).*")) {
        return i;
      }
    }
    return -1;
  }

  /** GenEval: PROMPT/samples/NUMBER.png, metadata, and results where a metric is a correctness. */
  Path geneval() {
    List<ObjectNode> metadata = new ArrayList<>();
    for (JsonNode prompt : data.prompts()) {
      ObjectNode own = RunJson.object();
      if (prompt.path("metadata") instanceof ObjectNode given) {
        own.setAll(given);
      }
      own.put("tag", prompt.path("tag").asText());
      own.put("prompt", prompt.path("prompt").asText());
      metadata.add(own);
    }
    int correctness = correctness();
    if (correctness < 0) {
      notes.accept(
          "No evaluator says whether an image is correct (its range would be 0 or 1): results.jsonl is not written.");
    }
    Map<Path, StringBuilder> results = new LinkedHashMap<>();
    forEach(
        (root, place, done) -> {
          String index = String.format(Locale.ROOT, "%05d", place.prompt());
          JsonNode fields = metadata.get(place.prompt());
          String sample = String.format(Locale.ROOT, "%04d.png", place.sample());
          WholeFile.write(
              root.resolve(index).resolve("metadata.jsonl"),
              (fields + "\n").getBytes(StandardCharsets.UTF_8));
          copy(done, root.resolve(index).resolve("samples").resolve(sample));
          if (correctness >= 0) {
            results
                .computeIfAbsent(root, path -> new StringBuilder())
                .append(result(index + "/samples/" + sample, done, correctness, fields));
          }
        });
    results.forEach(
        (root, lines) ->
            WholeFile.write(
                root.resolve("results.jsonl"), lines.toString().getBytes(StandardCharsets.UTF_8)));
    return out;
  }

  private static String result(
      String file, CellRecord.Done record, int evaluator, JsonNode metadata) {
    List<CellRecord.Judged> verdicts = record.evaluation().answer();
    @Nullable Double correct = evaluator < verdicts.size() ? verdicts.get(evaluator).value() : null;
    if (correct == null) {
      return "";
    }
    ObjectNode line = RunJson.object();
    line.put("filename", file);
    line.put("tag", record.prompt().tag());
    line.put("prompt", record.prompt().text());
    line.put("correct", correct == 1);
    line.put("reason", "");
    line.put("metadata", metadata.toString());
    line.put("details", Canonical.json(verdicts));
    return line + "\n";
  }

  /** T2I-CompBench: samples whose names hold the prompt and its number. */
  Path compBench() {
    long underscores =
        data.prompts().stream().filter(p -> p.path("prompt").asText().contains("_")).count();
    if (underscores > 0) {
      notes.accept(
          "%d prompts hold an underscore, which T2I-CompBench's scripts take for the end of the prompt."
              .formatted(underscores));
    }
    Set<Integer> cut = new LinkedHashSet<>();
    forEach(
        (root, place, done) -> {
          String end =
              String.format(
                  Locale.ROOT, "_%06d.png", place.prompt() * seeds.size() + place.sample());
          // T2I-CompBench reads the prompt back from the file's name.
          String text = done.prompt().text().replaceAll("[/\\\\\\p{Cntrl}]", " ");
          String name = shortened(text, LONGEST_NAME - end.length());
          if (name.length() < text.length()) {
            cut.add(place.prompt());
          }
          try {
            copy(done, root.resolve("samples").resolve(name + end));
          } catch (InvalidPathException e) {
            throw new EspalierException(
                EspalierException.Code.CONFIG,
                "The prompt (%s) cannot be part of a file name under this locale."
                    .formatted(done.prompt().id()),
                "Maybe set LC_ALL=C.UTF-8.",
                e);
          }
        });
    if (!cut.isEmpty()) {
      notes.accept(
          "%d prompts are longer than a file name and are cut: T2I-CompBench judges what is left of them."
              .formatted(cut.size()));
    }
    return out;
  }

  /** The longest beginning that takes so many bytes at most and ends between two characters. */
  private static String shortened(String text, int bytes) {
    int end = 0;
    int taken = 0;
    while (end < text.length()) {
      int next = text.offsetByCodePoints(end, 1);
      taken += text.substring(end, next).getBytes(StandardCharsets.UTF_8).length;
      if (taken > bytes) {
        break;
      }
      end = next;
    }
    return text.substring(0, end);
  }
}
