package org.espalier.search.mcts;

/** How a tree search weighs what it knows against what it does not. */
public enum Selection {
  /** Upper confidence bound of the mean value. */
  UCT,
  /** The same, with trust by the prior verifier's scores among siblings. */
  PUCT
}
