package org.espalier.verifiers;

import java.util.Objects;

/** A prompt's metadata do not say what an evaluator checks. */
final class UnfitMetadata extends Exception {
  private static final long serialVersionUID = 1L;

  /**
   * @param what is missing or wrong: a sentence
   */
  UnfitMetadata(String what) {
    super(what);
  }

  /** What is missing or wrong: a sentence. */
  String what() {
    return Objects.requireNonNull(getMessage());
  }
}
