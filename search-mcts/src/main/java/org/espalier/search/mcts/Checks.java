package org.espalier.search.mcts;

import org.espalier.api.EspalierException;

/** Range checks of the configuration records of this package. */
final class Checks {
  private Checks() {}

  static double inside(double low, double high, double value, String what, String key) {
    if (!(value >= low && value <= high)) {
      throw EspalierException.config(
          "The %s (%s) must lie in [%s, %s].".formatted(what, value, low, high),
          "Maybe set strategy.%s between %s and %s.".formatted(key, low, high));
    }
    return value;
  }
}
