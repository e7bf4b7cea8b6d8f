package org.espalier.api;

import java.util.OptionalInt;
import java.util.function.IntSupplier;

/**
 * A whole number in a configuration, or {@code auto}: the strategy then sizes it from the budget
 * and the {@link Quotes}.
 *
 * @param value the number, or empty for {@code auto}
 */
public record AutoInt(OptionalInt value) {
  /** {@code auto}. */
  public static final AutoInt AUTO = new AutoInt(OptionalInt.empty());

  /**
   * A fixed number.
   *
   * @param value the number
   */
  public static AutoInt of(int value) {
    return new AutoInt(OptionalInt.of(value));
  }

  /**
   * Reads a configuration's scalar.
   *
   * @param text {@code auto} or a whole number
   */
  public static AutoInt of(String text) {
    if (text.equals("auto")) {
      return AUTO;
    }
    try {
      return of(Integer.parseInt(text));
    } catch (NumberFormatException e) {
      throw new EspalierException(
          EspalierException.Code.CONFIG,
          "The value (" + text + ") is neither a whole number nor auto.",
          "Maybe write auto.",
          e);
    }
  }

  /** Whether the strategy is to choose. */
  public boolean isAuto() {
    return value.isEmpty();
  }

  /**
   * This value, checked.
   *
   * @param what the parameter in words, for example "beam width"
   * @param key its place in the configuration, for example {@code strategy.width}
   * @throws EspalierException CONFIG if a fixed number is below 1 or beyond {@link Sizing#MOST}
   */
  public AutoInt requirePositive(String what, String key) {
    if (value.isPresent() && value.getAsInt() < 1) {
      throw EspalierException.config(
              "The %s (%d) must be positive.".formatted(what, value.getAsInt()),
              "Maybe set %s >= 1, or auto.".formatted(key))
          .about(key);
    }
    value.ifPresent(number -> Ranges.atMost(number, what, key));
    return this;
  }

  /**
   * The number, or what the strategy makes of {@code auto}.
   *
   * @param chosen asked for {@code auto} only
   */
  public int orElse(IntSupplier chosen) {
    return value.isPresent() ? value.getAsInt() : chosen.getAsInt();
  }

  /** {@code auto} or the number, as in a configuration. */
  @Override
  public String toString() {
    return value.isPresent() ? Integer.toString(value.getAsInt()) : "auto";
  }
}
