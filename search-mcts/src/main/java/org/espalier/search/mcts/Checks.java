package org.espalier.search.mcts;

import org.espalier.api.AutoInt;
import org.espalier.api.Ranges;
import org.jspecify.annotations.Nullable;

/** Defaults that the configuration records of this package share. */
final class Checks {
  private Checks() {}

  static AutoInt iterations(@Nullable AutoInt value) {
    return value == null
        ? AutoInt.AUTO
        : value.requirePositive("number of iterations", "strategy.iterations");
  }

  static double exploration(@Nullable Double value) {
    return Ranges.between(
        0, 100, value == null ? 0.05 : value, "exploration", "strategy.exploration");
  }

  static double wideningFactor(@Nullable Double value) {
    return Ranges.between(
        0.1, 100, value == null ? 2.0 : value, "widening factor", "strategy.wideningFactor");
  }

  static double wideningExponent(@Nullable Double value) {
    return Ranges.between(
        0, 1, value == null ? 0.4 : value, "widening exponent", "strategy.wideningExponent");
  }
}
