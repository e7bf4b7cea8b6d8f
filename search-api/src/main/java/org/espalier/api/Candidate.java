package org.espalier.api;

import java.util.OptionalDouble;

/**
 * A trajectory and what the verifier said of it.
 *
 * @param trajectory the verified trajectory, partial or complete
 * @param verdict the verifier's word
 */
public record Candidate(Trajectory trajectory, Verdict verdict) {

  /** The score, or empty where the verifier failed. */
  public OptionalDouble score() {
    return verdict instanceof Verdict.Scored scored
        ? OptionalDouble.of(scored.value())
        : OptionalDouble.empty();
  }

  /** The score, or negative infinity where the verifier failed: for ranking only. */
  public double rank() {
    return score().orElse(Double.NEGATIVE_INFINITY);
  }
}
