package org.espalier.search.mcts;

import org.espalier.api.AutoInt;
import org.espalier.api.Ranges;

/**
 * Parameters of diffusion tree sampling.
 *
 * @param iterations roll-outs, positive, or {@code auto} (default): until the budget is spent
 * @param mode {@code sample} draws children in proportion to {@code exp(lambda * value)} (DTS);
 *     {@code search} takes the greatest value plus a confidence term (DTS*). Default {@code search}
 * @param lambda weight of a unit of score, in [1e-6, 1e6]; default 10
 * @param exploration weight of the confidence term of {@code search} over values scaled to [0, 1],
 *     in [0, 100]; default 0.05
 * @param wideningFactor a node visited n times may have {@code factor * n^exponent} children, in
 *     [0.1, 100]; default 2
 * @param wideningExponent see there; in [0, 1]; default 0.4
 */
public record DiffusionTreeSamplingConfig(
    AutoInt iterations,
    Mode mode,
    Double lambda,
    Double exploration,
    Double wideningFactor,
    Double wideningExponent) {

  /** What the tree is for. */
  public enum Mode {
    /** Samples from the tilted distribution. */
    SAMPLE,
    /** Looks for the best sample. */
    SEARCH
  }

  public DiffusionTreeSamplingConfig {
    iterations = Checks.iterations(iterations);
    mode = mode == null ? Mode.SEARCH : mode;
    lambda = Ranges.between(1e-6, 1e6, lambda == null ? 10.0 : lambda, "lambda", "strategy.lambda");
    exploration = Checks.exploration(exploration);
    wideningFactor = Checks.wideningFactor(wideningFactor);
    wideningExponent = Checks.wideningExponent(wideningExponent);
  }

  /** All by default. */
  public static DiffusionTreeSamplingConfig defaults() {
    return new DiffusionTreeSamplingConfig(AutoInt.AUTO, Mode.SEARCH, 10.0, 0.05, 2.0, 0.4);
  }
}
