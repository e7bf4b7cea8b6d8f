package org.espalier.examples;

import org.espalier.api.EspalierException;

/**
 * Parameters of satisficing search.
 *
 * @param goal the score that is good enough; any finite number, required
 * @param most samples drawn at the most, positive; default 1000
 */
public record SatisficingSearchConfig(Double goal, Integer most) {
  public SatisficingSearchConfig {
    if (goal == null || !Double.isFinite(goal)) {
      throw EspalierException.config(
              "The goal (" + goal + ") must be a finite score.", "Maybe set strategy.goal: 0.5.")
          .about("goal");
    }
    most = most == null ? 1000 : most;
    if (most < 1) {
      throw EspalierException.config(
              "The number of samples (" + most + ") must be positive.",
              "Maybe set strategy.most >= 1.")
          .about("most");
    }
  }
}
