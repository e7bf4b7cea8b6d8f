package org.espalier.records;

import java.math.BigDecimal;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.espalier.api.EspalierException;

/**
 * An amount of compute: absolute, or a multiple of one sample of the study's cheapest model. In
 * YAML {@code 4x}, {@code 240}, {@code 2.5e12} or {@code 2.5T}.
 *
 * @param value how much, positive
 * @param relative whether it is a multiple of one sample
 * @param label as it was written
 */
public record Amount(double value, boolean relative, String label) {
  private static final Pattern FORM =
      Pattern.compile("(?<number>\\d+(?:\\.\\d+)?(?:[eE][+-]?\\d+)?)\\s*(?<unit>[xkMGTP]?)");

  public Amount {
    if (!(value > 0) || Double.isInfinite(value)) {
      throw EspalierException.config(
          "The amount (" + label + ") must be positive.", "Maybe write 1x: one sample.");
    }
  }

  /**
   * Reads an amount.
   *
   * @param text {@code 4x} or a number, with k, M, G, T or P for thousands
   */
  public static Amount of(String text) {
    Matcher matcher = FORM.matcher(text.strip());
    if (!matcher.matches()) {
      throw EspalierException.config(
          "The amount (" + text + ") is not a number or a multiple of one sample.",
          "Maybe write 4x, or 2.5T.");
    }
    double number = new BigDecimal(matcher.group("number")).doubleValue();
    String unit = matcher.group("unit");
    double scale =
        unit.isEmpty() || unit.equals("x") ? 1 : Math.pow(1000, 1 + "kMGTP".indexOf(unit));
    return new Amount(number * scale, unit.equals("x"), text.strip());
  }

  /** The written form. */
  @Override
  public String toString() {
    return label;
  }

  /**
   * The absolute amount.
   *
   * @param sample what one sample of the cheapest model costs in the same unit
   */
  public double absolute(double sample) {
    return relative ? value * sample : value;
  }

  /**
   * A short form of a large number, for tables: {@code 2.46T}.
   *
   * @param value any number
   */
  public static String brief(double value) {
    double abs = Math.abs(value);
    String[] units = {"", "k", "M", "G", "T", "P", "E"};
    int unit = 0;
    while (abs >= 1000 && unit < units.length - 1) {
      abs /= 1000;
      value /= 1000;
      unit++;
    }
    if (unit == 0 && value == Math.rint(value)) {
      return Long.toString((long) value);
    }
    return String.format(
        Locale.ROOT, abs >= 100 ? "%.0f%s" : abs >= 10 ? "%.1f%s" : "%.2f%s", value, units[unit]);
  }

  /**
   * Short forms of two numbers, with as many digits as it takes to tell them apart.
   *
   * @param first any number
   * @param second any number
   */
  public static List<String> apart(double first, double second) {
    String one = brief(first);
    String other = brief(second);
    if (first != second && one.equals(other)) {
      return List.of(
          BigDecimal.valueOf(first).toPlainString(), BigDecimal.valueOf(second).toPlainString());
    }
    return List.of(one, other);
  }
}
