package org.espalier.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.espalier.api.EspalierException;
import org.espalier.plugins.Canonical;
import org.espalier.records.CellRecord;
import org.espalier.records.WholeFile;

/** A run's answers in the folders that the benchmarks' own programs read, one per series. */
final class ImageFolders {
  private final RunData data;
  private final Path out;

  /**
   * @param data the run
   * @param out the directory to write into
   */
  ImageFolders(RunData data, Path out) {
    this.data = data;
    this.out = out;
  }

  private static String folder(Series series) {
    return (series.arm() + "-" + series.model() + "-" + series.level())
        .replaceAll("[^A-Za-z0-9._-]", "_");
  }

  /** Cells of each arm, model and level by prompt, seeds in order; failed ones left out. */
  private Map<String, Map<String, List<CellRecord.Done>>> folders() {
    Map<String, Map<String, List<CellRecord.Done>>> result = new TreeMap<>();
    for (CellRecord.Done done : Summary.done(data.records())) {
      result
          .computeIfAbsent(folder(Series.of(done)), name -> new TreeMap<>())
          .computeIfAbsent(done.prompt().id(), id -> new ArrayList<>())
          .add(done);
    }
    return result;
  }

  private void copy(CellRecord.Done record, Path to) {
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

  /** GenEval: PROMPT/samples/NUMBER.png, metadata and results. */
  Path geneval() {
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

  private static String result(String file, CellRecord.Done record, JsonNode metadata) {
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
    line.put("details", Canonical.json(record.evaluation().answer()));
    return line + "\n";
  }

  /** T2I-CompBench: samples whose names hold the prompt. */
  Path compBench() {
    folders()
        .forEach(
            (name, prompts) -> {
              int[] id = {0};
              prompts.forEach(
                  (prompt, cells) -> {
                    for (CellRecord.Done cell : cells) {
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
}
