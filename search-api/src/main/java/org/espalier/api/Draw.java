package org.espalier.api;

/**
 * Where the noise of a root or of one step comes from.
 *
 * <p>A draw given to {@link SearchContext#begin} or {@link SearchContext#expand} also becomes the
 * trajectory's <em>current noise</em>: later {@link Follow} steps continue with it, so a trajectory
 * begun with {@code Fresh(key)} and followed to its end is the same sample in every strategy.
 */
public sealed interface Draw {

  /** Continue with the trajectory's current noise. Not legal in {@link SearchContext#begin}. */
  record Follow() implements Draw {}

  /**
   * An independent sample.
   *
   * @param key where its noise comes from
   */
  record Fresh(DrawKey key) implements Draw {}

  /**
   * A sample near another one, for zero-order search (<a href="https://arxiv.org/abs/2501.09732">Ma
   * et al. 2025</a>). Gaussian noise is rotated: {@code sqrt(1 - radius^2) * pivot + radius *
   * direction}; discrete noise redraws each token with probability {@code radius}.
   *
   * @param pivot the centre; {@link Fresh} or {@link Near}
   * @param direction where the displacement comes from
   * @param radius from 0 (the pivot itself) to 1 (independent of the pivot)
   */
  record Near(Draw pivot, DrawKey direction, double radius) implements Draw {
    public Near {
      if (!(radius >= 0 && radius <= 1)) {
        throw EspalierException.config(
            "The radius (" + radius + ") of a neighbouring draw must lie in [0, 1].",
            "Maybe set strategy.radius between 0 and 1.");
      }
      if (!(pivot instanceof Fresh || pivot instanceof Near)) {
        throw new EspalierException(
            EspalierException.Code.PLUGIN_CONTRACT,
            "The pivot of a neighbouring draw (" + pivot + ") must be Fresh or Near.",
            null);
      }
    }
  }

  /** The most probable outcome: argmax for discrete steps, zero noise for Gaussian ones. */
  record Mode() implements Draw {}

  /** {@link Follow}, the default of a roll-out. */
  static Draw follow() {
    return new Follow();
  }

  /**
   * {@link Fresh}.
   *
   * @param key where the noise comes from
   */
  static Draw fresh(DrawKey key) {
    return new Fresh(key);
  }
}
