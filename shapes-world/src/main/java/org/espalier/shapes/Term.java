package org.espalier.shapes;

/**
 * A word of the world's vocabulary. The order of an enum's constants is the detector's class order.
 */
interface Term {
  /** As written in prompts and in GenEval metadata. */
  String word();
}
