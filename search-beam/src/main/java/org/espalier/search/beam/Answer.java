package org.espalier.search.beam;

/** Which image a search answers with; the papers do not say. */
public enum Answer {
  /** The best complete image verified anywhere in the search. */
  BEST,
  /** The best image of the last population. */
  FINAL
}
