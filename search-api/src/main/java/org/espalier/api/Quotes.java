package org.espalier.api;

import org.espalier.compute.Cost;

/**
 * Exact upper bounds of what verbs cost for this model, these verifiers and this prompt. Pure:
 * asking costs nothing. Strategies size automatic parameters from them.
 */
public interface Quotes {
  /** Starting one trajectory. */
  Cost begin();

  /**
   * Expanding one parent.
   *
   * @param step the parent's step, from 0 to horizon - 1
   * @param draws how many children
   * @param cached whether the parent was expanded before
   */
  Cost expand(int step, int draws, boolean cached);

  /**
   * Rolling one trajectory out to the end.
   *
   * @param fromStep its step, from 0 to horizon (which costs nothing)
   */
  Cost complete(int fromStep);

  /**
   * Re-noising one trajectory.
   *
   * @param fromStep its step
   * @param toStep the earlier step
   */
  Cost rewind(int fromStep, int toStep);

  /**
   * Decoding and scoring one trajectory.
   *
   * @param role which verifier
   * @param step the trajectory's step; below the horizon it is a preview
   */
  Cost verify(VerifierRole role, int step);

  /** One sample from start to verdict, text encoding left out. */
  Cost sample();
}
