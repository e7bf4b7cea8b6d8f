package org.espalier.search.beam;

import org.espalier.api.EspalierException;

/** Range checks of the configuration records of this package. */
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
    if (!(value >= low && value <= high)) {
      throw EspalierException.config(
          "The %s (%s) must lie in [%s, %s].".formatted(what, value, low, high),
          "Maybe set strategy.%s between %s and %s.".formatted(key, low, high));
    }
    return value;
  }
}
