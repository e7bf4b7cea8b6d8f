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
  /** Work repeated because a state had been evicted. */
  REPLAY
}
