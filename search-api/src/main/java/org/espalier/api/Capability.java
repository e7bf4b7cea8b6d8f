package org.espalier.api;

/** What a model can do beyond following one trajectory to its end. */
public enum Capability {
  /** Expanding one state with different draws gives different children. */
  STOCHASTIC_STEP,
  /** An incomplete trajectory can be decoded to an image and scored. */
  PREVIEW,
  /** A trajectory can be re-noised to an earlier step. */
  REWIND,
  /** Trajectories carry the log-probability of their draws. */
  LOG_PROB
}
