package org.espalier.compute;

import java.util.Collections;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;
import java.util.StringJoiner;

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

  /** The ledger as one line of JSON: {@code total} and each phase, on all axes. */
  public String toJson() {
    StringJoiner phases = new StringJoiner(",", "{", "}");
    byPhase.forEach(
        (phase, cost) ->
            phases.add('"' + phase.name().toLowerCase(Locale.ROOT) + "\":" + json(cost)));
    return "{\"total\":" + json(total) + ",\"byPhase\":" + phases + "}";
  }

  private static String json(Cost cost) {
    return String.format(
        Locale.ROOT,
        "{\"nfe\":%d,\"rows\":%d,\"tokens\":%d,\"flops\":%d,\"decodes\":%d,\"verifierCalls\":%d,\"verifierFlops\":%d,\"nanos\":%d}",
        cost.nfe(),
        cost.rows(),
        cost.tokens(),
        cost.flops(),
        cost.decodes(),
        cost.verifierCalls(),
        cost.verifierFlops(),
        cost.wallNanos());
  }
}
