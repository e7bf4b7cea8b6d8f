package org.espalier.compute;

import java.util.Collections;
import java.util.EnumMap;
import java.util.Map;
import org.espalier.api.EspalierException;

/**
 * A limit in one unit, and caps in others. A cap stops a search; it does not make two searches
 * equal.
 *
 * @param unit the unit in which searches are made equal; not {@link ComputeUnit#SECONDS}
 * @param limit how much may be spent, positive
 * @param caps further limits by unit, positive; unmodifiable
 */
public record Budget(ComputeUnit unit, double limit, Map<ComputeUnit, Double> caps) {
  public Budget {
    if (unit == ComputeUnit.SECONDS) {
      throw EspalierException.config(
          "The budget's unit (seconds) differs between runs, so nothing would repeat.",
          "Maybe set budgets.unit: flops, and seconds under budgets.caps.");
    }
    requirePositive("limit", limit);
    caps.forEach((u, v) -> requirePositive("cap on " + u.name().toLowerCase(), v));
    Map<ComputeUnit, Double> copy = new EnumMap<>(ComputeUnit.class);
    copy.putAll(caps);
    caps = Collections.unmodifiableMap(copy);
  }

  /**
   * A budget without caps.
   *
   * @param unit the unit
   * @param limit how much may be spent
   */
  public static Budget of(ComputeUnit unit, double limit) {
    return new Budget(unit, limit, Map.of());
  }

  private static void requirePositive(String name, double value) {
    if (!(value > 0) || Double.isInfinite(value)) {
      throw EspalierException.config(
          "The budget's " + name + " (" + value + ") must be positive and finite.",
          "Maybe state it as a multiple of one sample, for example 4x.");
    }
  }
}
