package org.espalier.api;

import org.espalier.compute.Budget;
import org.espalier.compute.Cost;

/** What a search has spent and may still spend. */
public interface BudgetView {
  /** The limit and the caps. */
  Budget budget();

  /** Spent so far, all phases together. */
  Cost spent();

  /** What remains in the budget's unit, less what is held back to finish one sample. */
  double remaining();

  /** The spent share of the budget, from 0 to 1: the gradient for annealed parameters. */
  double progress();

  /**
   * Whether the budget holds work that ends in a verdict on a complete sample, in as many calls as
   * it takes: none of them would be refused. What is held back to finish one sample is counted as
   * part of the work.
   *
   * @param quote an upper bound on all of it, from {@link Quotes}
   */
  boolean affords(Cost quote);

  /**
   * Whether the budget holds work that need not end in a verdict on a complete sample, such as a
   * look at a preview, beside what is held back to finish one: the call would not be refused, and
   * {@link #remaining} is at least its cost.
   *
   * @param quote an upper bound, from {@link Quotes}
   */
  boolean spares(Cost quote);

  /**
   * How many pieces of work that each end in a verdict on a complete sample the budget holds.
   *
   * @param most the most that is asked for, not negative
   * @param each an upper bound on one of them, from {@link Quotes}
   * @return from 0 to {@code most}
   */
  default int most(int most, Cost each) {
    return Largest.of(0, most, count -> affords(each.times(count)));
  }
}
