package org.espalier.api;

/**
 * A verb was refused because its quote does not fit the remaining budget. It is thrown before any
 * work is done, so nothing has been spent. A strategy may catch it, or let it pass: the engine ends
 * the search and returns the incumbent.
 */
public final class BudgetExhaustedException extends EspalierException {
  private static final long serialVersionUID = 1L;

  /**
   * @param what which verb was refused, its quote and what remains
   */
  public BudgetExhaustedException(String what) {
    super(Code.BUDGET, what, null);
  }
}
