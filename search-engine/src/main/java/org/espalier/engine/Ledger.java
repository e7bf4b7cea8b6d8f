package org.espalier.engine;

import java.util.EnumMap;
import java.util.Map;
import org.espalier.api.BudgetExhaustedException;
import org.espalier.api.EspalierException;
import org.espalier.compute.Budget;
import org.espalier.compute.ComputeUnit;
import org.espalier.compute.Cost;
import org.espalier.compute.LedgerSnapshot;
import org.espalier.compute.Phase;

/**
 * The account of one search: quote, reserve, run, commit. A reservation is admitted only if
 * everything spent, everything reserved, the quote and the escrow fit the budget and its caps; so
 * the refusal comes before the work and nothing overshoots. Confined to one thread.
 */
public final class Ledger {
  private final Budget budget;
  private final Map<Phase, Cost> byPhase = new EnumMap<>(Phase.class);
  private Cost spent = Cost.ZERO;
  private Cost reserved = Cost.ZERO;

  /**
   * An empty account.
   *
   * @param budget its limit and caps; a cap in seconds is watched by the engine, not here
   */
  public Ledger(Budget budget) {
    this.budget = budget;
  }

  /** Everything committed. */
  public Cost spent() {
    return spent;
  }

  /**
   * Whether work would be admitted.
   *
   * @param quote its upper bound
   * @param escrow what must remain afterwards
   */
  public boolean admits(Cost quote, Cost escrow) {
    return shortage(quote, escrow) == null;
  }

  /**
   * What remains in the budget's unit.
   *
   * @param escrow what must be held back
   */
  public double remaining(Cost escrow) {
    ComputeUnit unit = budget.unit();
    return Math.max(0, budget.limit() - unit.of(spent) - unit.of(reserved) - unit.of(escrow));
  }

  /**
   * Reserves the cost of work that is about to be done.
   *
   * @param verb what is about to be done, for the error
   * @param quote its upper bound
   * @param escrow what must remain afterwards
   * @throws BudgetExhaustedException if it does not fit
   */
  public Reservation reserve(String verb, Cost quote, Cost escrow) {
    ComputeUnit unit = shortage(quote, escrow);
    if (unit != null) {
      double limit = limit(unit);
      throw new BudgetExhaustedException(
          "The call %s needs %s of the budget's %s %s; %s are spent and %s are held back to finish one sample."
              .formatted(
                  verb,
                  number(unit.of(quote)),
                  number(limit),
                  unit.name().toLowerCase(),
                  number(unit.of(spent) + unit.of(reserved)),
                  number(unit.of(escrow))));
    }
    reserved = reserved.plus(quote);
    return new Reservation(verb, quote);
  }

  /** What has been charged so far. */
  public LedgerSnapshot snapshot() {
    return new LedgerSnapshot(spent, byPhase);
  }

  private double limit(ComputeUnit unit) {
    double cap = budget.caps().getOrDefault(unit, Double.POSITIVE_INFINITY);
    return unit == budget.unit() ? Math.min(budget.limit(), cap) : cap;
  }

  private @org.jspecify.annotations.Nullable ComputeUnit shortage(Cost quote, Cost escrow) {
    for (ComputeUnit unit : ComputeUnit.values()) {
      double limit = limit(unit);
      if (unit != ComputeUnit.SECONDS
          && !Double.isInfinite(limit)
          && unit.of(spent) + unit.of(reserved) + unit.of(quote) + unit.of(escrow) > limit) {
        return unit;
      }
    }
    return null;
  }

  static String number(double value) {
    return value == Math.rint(value) && value < 1e9
        ? Long.toString((long) value)
        : String.format(java.util.Locale.ROOT, "%.4g", value);
  }

  /** Refuses work beyond its quote. */
  static void requireWithin(String verb, Cost actual, Cost quote) {
    if (!actual.within(quote)) {
      throw new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          "The call %s did more work (%s) than was quoted (%s).".formatted(verb, actual, quote),
          "Maybe correct the quote of the model or verifier: it must be an upper bound.");
    }
  }

  /** Compute held for work in progress. Closing without commit gives it back. */
  public final class Reservation implements AutoCloseable {
    private final String verb;
    private final Cost quote;
    private Cost committed = Cost.ZERO;
    private boolean open = true;

    private Reservation(String verb, Cost quote) {
      this.verb = verb;
      this.quote = quote;
    }

    /**
     * Charges work that was done. May be called once for each phase of the work.
     *
     * @param phase what it was done for
     * @param actual its measured cost
     * @throws EspalierException if the reservation is exceeded: the quote was wrong
     */
    public void commit(Phase phase, Cost actual) {
      if (!open) {
        throw new IllegalStateException("the reservation for " + verb + " is closed");
      }
      Cost sum = committed.plus(actual);
      requireWithin(verb, sum, quote);
      committed = sum;
      spent = spent.plus(actual);
      byPhase.merge(phase, actual, Cost::plus);
    }

    @Override
    public void close() {
      if (open) {
        open = false;
        reserved = reserved.minus(quote);
      }
    }
  }
}
