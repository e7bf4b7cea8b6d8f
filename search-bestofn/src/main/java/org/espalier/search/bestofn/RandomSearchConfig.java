package org.espalier.search.bestofn;

import org.espalier.api.AutoInt;

/**
 * Parameters of random search.
 *
 * @param n independent samples, positive, or {@code auto} (default): as many as the budget affords
 */
public record RandomSearchConfig(AutoInt n) {
  public RandomSearchConfig {
    n = n == null ? AutoInt.AUTO : n.requirePositive("number of samples", "strategy.n");
  }
}
