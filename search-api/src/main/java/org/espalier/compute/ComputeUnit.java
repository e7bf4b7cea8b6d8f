package org.espalier.compute;

/** Units in which a budget or a cap is stated. */
public enum ComputeUnit {
  /** Floating-point operations of generator, decoder and verifiers together. The default. */
  FLOPS,
  /** Network evaluations by the published convention; see {@link Cost#nfe}. */
  NFE,
  /** Complete decoded images. */
  SAMPLES,
  /** Verifier calls. */
  VERIFIER_CALLS,
  /** Wall time, in seconds; legal as a cap only, since it differs between runs. */
  SECONDS,
  /** Tokens through the generator and those of verifiers that are paid by the token. */
  TOKENS,
  /** Money for services, in US dollars. */
  DOLLARS;

  /**
   * The amount of this unit in a cost.
   *
   * @param cost any cost
   */
  public double of(Cost cost) {
    return switch (this) {
      case FLOPS -> (double) cost.flops() + cost.verifierFlops();
      case NFE -> cost.nfe();
      case SAMPLES -> cost.decodes();
      case VERIFIER_CALLS -> cost.verifierCalls();
      case SECONDS -> cost.wallNanos() * 1e-9;
      case TOKENS -> (double) cost.tokens() + cost.verifierTokens();
      case DOLLARS -> cost.microDollars() * 1e-6;
    };
  }
}
