package org.espalier.search.beam;

import org.espalier.api.AutoInt;
import org.espalier.api.Ranges;

/**
 * Parameters of adaptive pruning.
 *
 * @param n samples begun, positive, or {@code auto} (default): until the budget is spent
 * @param checkpoints looks taken at each sample on its way, evenly spaced, positive; default 3
 * @param warmup complete samples from which a bound is first learned, at least 4; default 8
 * @param optimism residual standard deviations added to the predicted score, in [0, 10]; default 1
 * @param explore share of samples that go on although their bound is too low, in [0, 1]; default
 *     0.05: they keep the learned relation honest about samples that would have been dropped
 * @param batch samples advanced together, positive; default 4
 */
public record AdaptivePruningConfig(
    AutoInt n,
    Integer checkpoints,
    Integer warmup,
    Double optimism,
    Double explore,
    Integer batch) {
  public AdaptivePruningConfig {
    n = n == null ? AutoInt.AUTO : n.requirePositive("number of samples", "strategy.n");
    checkpoints =
        Ranges.atLeast(
            1,
            checkpoints == null ? 3 : checkpoints,
            "number of checkpoints",
            "strategy.checkpoints");
    warmup = Ranges.atLeast(4, warmup == null ? 8 : warmup, "warm-up", "strategy.warmup");
    optimism =
        Ranges.between(0, 10, optimism == null ? 1.0 : optimism, "optimism", "strategy.optimism");
    explore =
        Ranges.between(
            0, 1, explore == null ? 0.05 : explore, "explored share", "strategy.explore");
    batch = Ranges.atLeast(1, batch == null ? 4 : batch, "batch", "strategy.batch");
  }

  /** All by default. */
  public static AdaptivePruningConfig defaults() {
    return new AdaptivePruningConfig(AutoInt.AUTO, 3, 8, 1.0, 0.05, 4);
  }
}
