package org.espalier.compute;

/** How far a cost can be believed. The later the constant, the less. */
public enum Accuracy {
  /** Counted: what is charged is what was done. */
  EXACT,
  /** Estimated by whoever does the work, for example from published figures of a served model. */
  ESTIMATED,
  /** Not known: what is charged is a lower bound, and printed with a question mark. */
  UNKNOWN;

  /**
   * The lesser of two.
   *
   * @param other of another part of the work
   */
  public Accuracy and(Accuracy other) {
    return compareTo(other) >= 0 ? this : other;
  }
}
