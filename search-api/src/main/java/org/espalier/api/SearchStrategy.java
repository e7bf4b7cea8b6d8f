package org.espalier.api;

/**
 * A search algorithm: ordinary imperative code over the verbs of a {@link SearchContext}.
 * Implementations are stateless and thread-safe; all state of one search lives on the stack of
 * {@link #search}.
 */
public interface SearchStrategy {
  /** What the strategy is and needs. */
  StrategyCard card();

  /**
   * Runs one search.
   *
   * @param context the only way to the model, the verifiers, randomness and the budget
   * @return the sample that the strategy answers with: complete and verified by {@link
   *     VerifierRole#SEARCH}; usually {@code context.incumbent()}
   * @throws BudgetExhaustedException when the next verb does not fit; the engine then answers with
   *     the incumbent
   */
  Candidate search(SearchContext context);
}
