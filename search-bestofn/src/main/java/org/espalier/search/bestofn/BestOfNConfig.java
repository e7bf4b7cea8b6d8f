package org.espalier.search.bestofn;

import org.espalier.api.AutoInt;

/**
 * Parameters of best-of-N.
 *
 * @param n samples, positive, or {@code auto} (default): as many as the budget affords
 */
public record BestOfNConfig(AutoInt n) {
  public BestOfNConfig {
    n = n == null ? AutoInt.AUTO : n.requirePositive("number of samples", "strategy.n");
  }
}
