package org.espalier.spi;

import org.espalier.api.DrawKey;

/**
 * The noise of a root or of one step, as the engine hands it to a model: a {@link
 * org.espalier.api.Draw} whose {@code Follow} has been resolved. A model turns it into numbers as a
 * pure function of (noise, step), whatever else is in the batch.
 */
public sealed interface Noise {

  /**
   * Independent noise.
   *
   * @param key where it comes from; at step s a model uses {@code key.child(s)}
   */
  record Keyed(DrawKey key) implements Noise {}

  /**
   * Noise near a pivot: Gaussian {@code sqrt(1 - radius^2) * pivot + radius * direction}; discrete
   * steps take the pivot's uniform number for a token with probability {@code 1 - radius}, else the
   * direction's.
   *
   * @param pivot the centre
   * @param direction where the displacement comes from
   * @param radius from 0 to 1
   */
  record Blend(Noise pivot, DrawKey direction, double radius) implements Noise {}

  /** The most probable outcome. */
  record Mode() implements Noise {}
}
