package org.espalier.compute;

import java.util.Collections;
import java.util.EnumMap;
import java.util.Map;

/**
 * What a search has been charged.
 *
 * @param total everything that counts against the budget
 * @param byPhase the same, split by phase, and apart from it under {@link Phase#REPLAY} what was
 *     repeated because memory ran out; unmodifiable
 */
public record LedgerSnapshot(Cost total, Map<Phase, Cost> byPhase) {
  public LedgerSnapshot {
    EnumMap<Phase, Cost> copy = new EnumMap<>(Phase.class);
    copy.putAll(byPhase);
    byPhase = Collections.unmodifiableMap(copy);
  }

  /**
   * The same with work that was repeated because memory ran out.
   *
   * @param replayed that work; {@link Cost#ZERO} leaves no entry
   */
  public LedgerSnapshot withReplayed(Cost replayed) {
    Map<Phase, Cost> phases = new EnumMap<>(Phase.class);
    phases.putAll(byPhase);
    if (!replayed.equals(Cost.ZERO)) {
      phases.put(Phase.REPLAY, replayed);
    }
    return new LedgerSnapshot(total, phases);
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
