package org.espalier.api;

/** Which verifier of a search a strategy asks. */
public enum VerifierRole {
  /** A cheap screen, for example the prior of a tree search; it never sets the incumbent. */
  PRIOR,
  /** The verifier that drives the search; complete samples that it scores set the incumbent. */
  SEARCH
}
