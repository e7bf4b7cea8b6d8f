package org.espalier.search.beam;

import java.util.function.IntFunction;
import org.espalier.api.SearchContext;
import org.espalier.compute.Cost;

/** Sizes automatic parameters from quotes. */
final class Sizing {
  private static final int MOST = 1 << 20;

  private Sizing() {}

  /** The largest number whose whole search the budget affords, at least 1; costs must grow. */
  static int largest(SearchContext context, IntFunction<Cost> cost) {
    int affordable = 1;
    while (affordable < MOST && context.budget().affords(cost.apply(2 * affordable))) {
      affordable *= 2;
    }
    for (int step = affordable / 2; step > 0; step /= 2) {
      if (context.budget().affords(cost.apply(affordable + step))) {
        affordable += step;
      }
    }
    return affordable;
  }
}
