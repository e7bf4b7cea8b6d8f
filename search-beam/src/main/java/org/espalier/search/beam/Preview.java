package org.espalier.search.beam;

/** How a prefix is judged before it is complete. */
public enum Preview {
  /** It is rolled out to the end, decoded and scored, as published; only the prefix is kept. */
  ROLLOUT,
  /** What it shows so far is decoded and scored. Needs the capability PREVIEW. */
  PARTIAL,
  /** It is rolled out some steps, then what it shows is scored. Needs the capability PREVIEW. */
  LOOKAHEAD
}
