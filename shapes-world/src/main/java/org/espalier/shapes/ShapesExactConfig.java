package org.espalier.shapes;

import org.jspecify.annotations.Nullable;

/**
 * Configuration of the exact evaluator.
 *
 * @param weights bundle name or directory of the detector; {@code nano} by default
 * @param score what the value is; {@code correct} by default
 */
public record ShapesExactConfig(@Nullable String weights, @Nullable Score score) {
  /** What the value is. */
  public enum Score {
    /** 1 where everything is met, else 0: for evaluation. */
    CORRECT,
    /**
     * The share of entries and relations that are met; 1 exactly where everything is. For the
     * search verifier of an {@code oracle} arm, which a value of 0 or 1 would leave without
     * guidance.
     */
    GRADED,
    /** 1 where everything is met and nothing else is there, else 0: the second world's metric. */
    STRICT,
    /**
     * The share of single constraints that hold, in the second world; 1 exactly where {@link
     * #STRICT} is.
     */
    CONSTRAINTS
  }

  public ShapesExactConfig {
    weights = weights == null ? "nano" : weights;
    score = score == null ? Score.CORRECT : score;
  }
}
