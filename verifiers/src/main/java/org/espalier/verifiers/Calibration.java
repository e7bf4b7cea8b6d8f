package org.espalier.verifiers;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.espalier.api.EspalierException;
import org.espalier.api.Verdict;
import org.espalier.spi.Judgement;
import org.espalier.spi.Verifier;
import org.espalier.weights.ModelJson;

/**
 * How the scores of several verifiers are distributed over one set of images: what makes them
 * comparable. Kept in a file, so that the score of an image depends on that image alone (see
 * docs/adr/0006).
 *
 * @param distributions by the members' names
 */
public record Calibration(Map<String, Distribution> distributions) {
  private static final String SCHEMA = "espalier-calibration-1";
  private static final int FEWEST_SCORES = 20;
  private static final int MOST_SCORES = 512;

  public Calibration {
    distributions = Map.copyOf(distributions);
  }

  /**
   * The scores of one verifier.
   *
   * @param weightsSha256 hash of the verifier's weights; scores of other weights mean something
   *     else
   * @param scores ascending, finite, at least 20 and not all the same
   */
  public record Distribution(String weightsSha256, List<Double> scores) {
    public Distribution {
      scores = scores.stream().sorted().toList();
      if (scores.size() < FEWEST_SCORES) {
        throw EspalierException.config(
            "A calibration has only " + scores.size() + " scores.",
            "Maybe use at least " + FEWEST_SCORES + " images; a few hundred are better.");
      }
      if (!scores.stream().allMatch(Double::isFinite)
          || scores.get(0).equals(scores.get(scores.size() - 1))) {
        throw EspalierException.config(
            "The scores of a calibration are not finite, or all the same.",
            "Maybe use images of differing quality.");
      }
    }

    /** The mean score. */
    public double mean() {
      return scores.stream().mapToDouble(s -> s).average().orElseThrow();
    }

    /** The standard deviation of the scores. */
    public double deviation() {
      double mean = mean();
      return Math.sqrt(
          scores.stream().mapToDouble(s -> (s - mean) * (s - mean)).average().orElseThrow());
    }

    /**
     * How far above the mean a score is, in deviations.
     *
     * @param score any score
     */
    public double zScore(double score) {
      return (score - mean()) / deviation();
    }

    /**
     * The share of scores below a score, between 0 and 1. Strictly increasing, so that a search
     * never loses sight of an improvement: linear between the calibration's scores, and beyond its
     * ends approaching 0 and 1 exponentially, at the pace of the deviation.
     *
     * @param score any score
     */
    public double percentile(double score) {
      int n = scores.size();
      double lowest = scores.get(0);
      double highest = scores.get(n - 1);
      if (score < lowest) {
        return place(0) * Math.exp((score - lowest) / deviation());
      }
      if (score > highest) {
        return 1 - (1 - place(n - 1)) * Math.exp((highest - score) / deviation());
      }
      int below = 0;
      int upTo = n - 1;
      while (upTo - below > 1) {
        int middle = (below + upTo) >>> 1;
        if (scores.get(middle) <= score) {
          below = middle;
        } else {
          upTo = middle;
        }
      }
      double from = scores.get(below);
      double to = scores.get(upTo);
      if (score == from) {
        return place(below);
      }
      return place(below) + (place(upTo) - place(below)) * (score - from) / (to - from);
    }

    /** The middle of the places that are taken by equal scores. */
    private double place(int index) {
      int first = index;
      int last = index;
      while (first > 0 && scores.get(first - 1).equals(scores.get(index))) {
        first--;
      }
      while (last < scores.size() - 1 && scores.get(last + 1).equals(scores.get(index))) {
        last++;
      }
      return ((first + last) / 2.0 + 0.5) / scores.size();
    }
  }

  /**
   * Scores images by each verifier. Images that a verifier cannot judge are left out; of many
   * scores evenly spaced quantiles are kept.
   *
   * @param members verifiers by their names in the ensemble
   * @param images a few hundred images with prompts, of the kind that is to be judged later
   */
  public static Calibration measure(Map<String, Verifier> members, List<Judgement> images) {
    Map<String, Distribution> distributions = new LinkedHashMap<>();
    members.forEach(
        (name, verifier) -> {
          double[] scores =
              verifier.verify(images).stream()
                  .filter(Verdict.Scored.class::isInstance)
                  .mapToDouble(verdict -> ((Verdict.Scored) verdict).value())
                  .sorted()
                  .toArray();
          List<Double> kept = new ArrayList<>();
          int count = Math.min(scores.length, MOST_SCORES);
          for (int i = 0; i < count; i++) {
            kept.add(scores[(int) ((i + 0.5) * scores.length / count)]);
          }
          distributions.put(name, new Distribution(verifier.card().weightsSha256(), kept));
        });
    return new Calibration(distributions);
  }

  /**
   * The distribution of a member.
   *
   * @param name of the member
   * @param weightsSha256 hash of its weights
   * @throws EspalierException CONFIG where there is none, or one of other weights
   */
  Distribution of(String name, String weightsSha256) {
    Distribution distribution = distributions.get(name);
    if (distribution == null) {
      throw EspalierException.config(
          "The calibration has no scores of the member "
              + name
              + ", but of "
              + distributions.keySet().stream().sorted().toList()
              + ".",
          "Maybe measure it anew with this member, or correct the member's name.");
    }
    if (!distribution.weightsSha256.equals(weightsSha256)) {
      throw EspalierException.config(
          "The calibration of the member "
              + name
              + " was measured with other weights ("
              + distribution.weightsSha256
              + " instead of "
              + weightsSha256
              + ").",
          "Maybe measure it anew with these weights.");
    }
    return distribution;
  }

  /**
   * Writes the calibration as JSON.
   *
   * @param file the file
   */
  public void write(Path file) {
    ObjectMapper mapper = new ObjectMapper();
    ObjectNode root = mapper.createObjectNode().put("schema", SCHEMA);
    ObjectNode members = root.putObject("members");
    distributions.entrySet().stream()
        .sorted(Map.Entry.comparingByKey())
        .forEach(
            entry -> {
              ObjectNode member = members.putObject(entry.getKey());
              member.put("weights-sha256", entry.getValue().weightsSha256);
              ArrayNode scores = member.putArray("scores");
              entry.getValue().scores.forEach(scores::add);
            });
    try {
      Files.writeString(file, mapper.writerWithDefaultPrettyPrinter().writeValueAsString(root));
    } catch (IOException e) {
      throw new EspalierException(
          EspalierException.Code.RESOURCE,
          "The calibration cannot be written to " + file + ": " + e.getMessage() + ".",
          "Maybe check the directory and its permissions.",
          e);
    }
  }

  /**
   * Reads what {@link #write} wrote.
   *
   * @param file the file
   * @throws EspalierException CONFIG where it is missing or malformed
   */
  public static Calibration read(Path file) {
    JsonNode json = ModelJson.require(file, "calibration of the ensemble");
    if (!json.path("schema").asText().equals(SCHEMA)) {
      throw EspalierException.config(
          "The file " + file + " is no calibration: its schema is " + json.path("schema") + ".",
          "Maybe another file was meant, or it was written by another version.");
    }
    Map<String, Distribution> distributions = new LinkedHashMap<>();
    json.path("members")
        .properties()
        .forEach(
            member -> {
              JsonNode scores = member.getValue().path("scores");
              double[] values = new double[scores.size()];
              Arrays.setAll(values, i -> scores.get(i).asDouble(Double.NaN));
              distributions.put(
                  member.getKey(),
                  new Distribution(
                      member.getValue().path("weights-sha256").asText(),
                      Arrays.stream(values).boxed().toList()));
            });
    return new Calibration(distributions);
  }
}
