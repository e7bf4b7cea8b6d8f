package org.espalier.search.mcts;

import org.espalier.api.AutoInt;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/** Defaults and range checks that the configuration records of this package share. */
final class Checks {
  private Checks() {}

  static AutoInt iterations(@Nullable AutoInt value) {
    return value == null
        ? AutoInt.AUTO
        : value.requirePositive("number of iterations", "strategy.iterations");
  }

  static double exploration(@Nullable Double value) {
    return inside(0, 100, value == null ? 0.05 : value, "exploration", "exploration");
  }

  static double wideningFactor(@Nullable Double value) {
    return inside(0.1, 100, value == null ? 2.0 : value, "widening factor", "wideningFactor");
  }

  static double wideningExponent(@Nullable Double value) {
    return inside(0, 1, value == null ? 0.4 : value, "widening exponent", "wideningExponent");
  }

  static double inside(double low, double high, double value, String what, String key) {
    if (!(value >= low && value <= high)) {
      throw EspalierException.config(
          "The %s (%s) must lie in [%s, %s].".formatted(what, value, low, high),
          "Maybe set strategy.%s between %s and %s.".formatted(key, low, high));
    }
    return value;
  }
}
