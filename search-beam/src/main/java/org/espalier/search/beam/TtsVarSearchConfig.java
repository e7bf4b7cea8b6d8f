package org.espalier.search.beam;

import org.espalier.api.AutoInt;
import org.espalier.api.Ranges;
import org.jspecify.annotations.Nullable;

/**
 * Parameters of TTS-VAR. Its schedule is published for 13 scales and stretched to other horizons.
 *
 * @param n the paper's N: members at the end; eight times as many start. Positive, or {@code auto}
 *     (default): as many as the budget affords
 * @param lambda weight of a unit of score when resampling, in [1e-6, 1e6]; left out (default): 2.5
 *     a standard deviation of the population's scores, which is what the paper's 10 is for
 *     ImageReward
 * @param clustering whether early members are chosen for diversity; default true. Without it early
 *     members are dropped from the end
 */
public record TtsVarSearchConfig(AutoInt n, @Nullable Double lambda, Boolean clustering) {
  public TtsVarSearchConfig {
    n = n == null ? AutoInt.AUTO : n.requirePositive("number of members", "strategy.n");
    lambda = lambda == null ? null : Ranges.between(1e-6, 1e6, lambda, "lambda", "strategy.lambda");
    clustering = clustering == null || clustering;
  }
}
