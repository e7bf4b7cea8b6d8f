package org.espalier.verifiers;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * Configuration of {@link EnsembleProvider}.
 *
 * @param members the verifiers: each {@code id} and its own configuration, and optionally {@code
 *     name} (by default its id; must be unique) and {@code weight} (by default 1; positive)
 * @param aggregation how their scores are joined; by default {@link Aggregation#RANK}
 * @param calibration {@code nano}, or a file written by {@link Calibration#write}
 */
public record EnsembleConfig(
    List<Map<String, Object>> members, Aggregation aggregation, String calibration) {

  /** How the scores of verifiers, which have nothing in common, become one. */
  public enum Aggregation {
    /** The weighted mean of each score's percentile among the calibration images' scores. */
    RANK,
    /** The weighted mean of z-scores: distance from the calibration images' mean in deviations. */
    Z_SCORE
  }

  public EnsembleConfig(
      @Nullable List<Map<String, Object>> members,
      @Nullable Aggregation aggregation,
      @Nullable String calibration) {
    if (members == null || members.isEmpty()) {
      throw EspalierException.config(
              "The ensemble has no members.",
              "Maybe set members: [{id: clip, weights: nano}, {id: image-reward, weights: nano}].")
          .about("members");
    }
    List<Map<String, Object>> copies = new ArrayList<>();
    for (Map<String, Object> member : members) {
      if (!(member.get("id") instanceof String)) {
        throw EspalierException.config(
                "A member of the ensemble (" + member + ") has no id.",
                "Maybe write {id: clip, weights: nano}.")
            .about("members");
      }
      copies.add(new LinkedHashMap<>(member));
    }
    if (calibration == null || calibration.isBlank()) {
      throw EspalierException.config(
              "The ensemble has no calibration, without which scores of different verifiers cannot be"
                  + " compared.",
              "Maybe set calibration: nano, or a file with the members' scores on a set of images.")
          .about("calibration");
    }
    this.members = List.copyOf(copies);
    this.aggregation = aggregation == null ? Aggregation.RANK : aggregation;
    this.calibration = calibration;
  }
}
