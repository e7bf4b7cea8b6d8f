package org.espalier.examples;

import org.espalier.api.EspalierException;
import org.espalier.api.Ranges;

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
    most = Ranges.atLeast(1, most == null ? 1000 : most, "number of samples", "strategy.most");
  }
}
