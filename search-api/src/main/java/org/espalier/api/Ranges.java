package org.espalier.api;

import java.util.Locale;

/**
 * Range checks of configuration records. Each returns the value, or refuses it with an error that
 * names the key, so that its place in a study is found.
 */
public final class Ranges {
  private Ranges() {}

  /**
   * A whole number from a least one to {@link Sizing#MOST}: what is drawn, kept or looked at so
   * many times at once would not end.
   *
   * @param least the least that is allowed
   * @param value the number
   * @param what the parameter in words, for example "beam width"
   * @param key as a user would write it, for example {@code strategy.width}; the last part is the
   *     component of the record
   * @throws EspalierException CONFIG if it is less, or beyond {@link Sizing#MOST}
   */
  public static int atLeast(int least, int value, String what, String key) {
    if (value < least) {
      throw EspalierException.config(
              least == 1
                  ? "The %s (%d) must be positive.".formatted(what, value)
                  : "The %s (%d) must be at least %d.".formatted(what, value, least),
              "Maybe set %s >= %d.".formatted(key, least))
          .about(key);
    }
    return atMost(value, what, key);
  }

  static int atMost(long value, String what, String key) {
    if (value > Sizing.MOST) {
      throw EspalierException.config(
              "The %s (%d) must be at most %d.".formatted(what, value, Sizing.MOST),
              "Maybe set %s <= %d.".formatted(key, Sizing.MOST))
          .about(key);
    }
    return (int) value;
  }

  /**
   * Checks how many things two numbers make together, such as a beam's children of a step.
   *
   * @param first a number
   * @param second another
   * @param what they make, in words, for example "number of children of a step"
   * @param key of the one that a user would lower
   * @throws EspalierException CONFIG if the product is beyond {@link Sizing#MOST}
   */
  public static void product(int first, int second, String what, String key) {
    atMost((long) first * second, what, key);
  }

  /**
   * A number in a closed range.
   *
   * @param low the least that is allowed
   * @param high the greatest that is allowed
   * @param value the number
   * @param what the parameter in words
   * @param key as a user would write it
   * @throws EspalierException CONFIG if it lies outside or is no number
   */
  public static double between(double low, double high, double value, String what, String key) {
    if (!(value >= low && value <= high)) {
      throw outside("[", low, high, value, what, key);
    }
    return value;
  }

  /**
   * A whole number in a closed range.
   *
   * @param low the least that is allowed
   * @param high the greatest that is allowed
   * @param value the number
   * @param what the parameter in words
   * @param key as a user would write it
   * @throws EspalierException CONFIG if it lies outside
   */
  public static int between(int low, int high, int value, String what, String key) {
    if (value < low || value > high) {
      throw EspalierException.config(
              "The %s (%d) must lie in [%d, %d].".formatted(what, value, low, high),
              "Maybe set %s between %d and %d.".formatted(key, low, high))
          .about(key);
    }
    return value;
  }

  /**
   * A number in a range that does not hold its lower end.
   *
   * @param low must be exceeded
   * @param high the greatest that is allowed
   * @param value the number
   * @param what the parameter in words
   * @param key as a user would write it
   * @throws EspalierException CONFIG if it lies outside or is no number
   */
  public static double above(double low, double high, double value, String what, String key) {
    if (!(value > low && value <= high)) {
      throw outside("(", low, high, value, what, key);
    }
    return value;
  }

  private static EspalierException outside(
      String open, double low, double high, double value, String what, String key) {
    return EspalierException.config(
            "The %s (%s) must lie in %s%s, %s]."
                .formatted(what, number(value), open, number(low), number(high)),
            "Maybe set %s between %s and %s.".formatted(key, number(low), number(high)))
        .about(key);
  }

  private static String number(double value) {
    return value == Math.rint(value) && Math.abs(value) < 1e7
        ? String.format(Locale.ROOT, "%.1f", value)
        : Double.toString(value);
  }
}
