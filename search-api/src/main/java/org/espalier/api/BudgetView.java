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
   * Whether work of this cost would be admitted now.
   *
   * @param quote an upper bound, from {@link Quotes}
   */
  boolean affords(Cost quote);
}
