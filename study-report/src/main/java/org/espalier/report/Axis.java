package org.espalier.report;

import com.fasterxml.jackson.annotation.JsonValue;
import java.util.function.ToDoubleFunction;
import org.espalier.records.CellRecord;

/** On what a search spends. */
public enum Axis {
  /** Network evaluations by the published convention. */
  NFE("nfe", cell -> cell.axes().nfe()),
  /** Floating-point operations of generator and verifiers together. */
  FLOPS("flops", cell -> cell.axes().totalFlops()),
  /** Images decoded. */
  DECODES("decodes", cell -> cell.axes().decodes()),
  /** Images scored. */
  VERIFIER_CALLS("verifierCalls", cell -> cell.axes().verifierCalls()),
  /** Wall time in seconds. */
  SECONDS("seconds", CellRecord::seconds),
  /** Spent share of the budget. */
  UTILISATION("utilisation", cell -> cell.spent().utilisation()),
  /** Sequences through the network. */
  ROWS("rows", cell -> cell.axes().rows()),
  /** Tokens through the network. */
  TOKENS("tokens", cell -> cell.axes().tokens());

  private final String key;
  private final ToDoubleFunction<CellRecord.Done> spent;

  Axis(String key, ToDoubleFunction<CellRecord.Done> spent) {
    this.key = key;
    this.spent = spent;
  }

  /** Its name in JSON. */
  @JsonValue
  public String key() {
    return key;
  }

  /**
   * What a search spent.
   *
   * @param cell a search
   */
  double of(CellRecord.Done cell) {
    return spent.applyAsDouble(cell);
  }

  /**
   * The axis that a budget limits.
   *
   * @param unit of the budget, as records write it
   */
  static Axis limitedBy(String unit) {
    return switch (unit) {
      case "nfe" -> NFE;
      case "samples" -> DECODES;
      case "verifier_calls" -> VERIFIER_CALLS;
      default -> FLOPS;
    };
  }
}
