package org.espalier.search.bestofn;

import org.espalier.api.EspalierException;
import org.espalier.api.SearchContext;
import org.espalier.compute.Cost;

/** What the strategies of this package share: range checks and sizing. */
final class Checks {
  private Checks() {}

  static int atLeast(int least, int value, String what, String key) {
    if (value < least) {
      throw EspalierException.config(
          least == 1
              ? "The %s (%d) must be positive.".formatted(what, value)
              : "The %s (%d) must be at least %d.".formatted(what, value, least),
          "Maybe set strategy.%s >= %d.".formatted(key, least));
    }
    return value;
  }

  static double inside(double low, double high, double value, String what, String key) {
    if (!(value > low && value <= high)) {
      throw EspalierException.config(
          "The %s (%s) must lie in (%s, %s].".formatted(what, value, low, high),
          "Maybe set strategy.%s between %s and %s.".formatted(key, low, high));
    }
    return value;
  }

  /** How many pieces of work of one cost the budget affords, at most so many. */
  static int affordable(SearchContext context, Cost each, int most) {
    int count = most;
    while (count > 0 && !context.budget().affords(each.times(count))) {
      count--;
    }
    return count;
  }
}
