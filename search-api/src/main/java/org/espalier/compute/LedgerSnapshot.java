package org.espalier.compute;

import java.util.Collections;
import java.util.EnumMap;
import java.util.Map;

/**
 * What a search has been charged.
 *
 * @param total everything that counts against the budget
 * @param byPhase the same, split by phase; unmodifiable
 */
public record LedgerSnapshot(Cost total, Map<Phase, Cost> byPhase) {
  public LedgerSnapshot {
    EnumMap<Phase, Cost> copy = new EnumMap<>(Phase.class);
    copy.putAll(byPhase);
    byPhase = Collections.unmodifiableMap(copy);
  }

  /**
   * The cost of one phase.
   *
   * @param phase any phase
   */
  public Cost phase(Phase phase) {
    return byPhase.getOrDefault(phase, Cost.ZERO);
  }
}
