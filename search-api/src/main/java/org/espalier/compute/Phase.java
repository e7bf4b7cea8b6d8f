package org.espalier.compute;

/** What work was done for. */
public enum Phase {
  /** Text encoding, once a prompt. */
  ENCODE,
  /** Network evaluations of the generator. */
  GENERATE,
  /** Latent or code to image. */
  DECODE,
  /** Scoring by a verifier that the search asks. */
  VERIFY,
  /** Work repeated because memory did not suffice to keep its results; not in the total. */
  REPLAY
}
