package org.espalier.api;

import java.util.ArrayList;
import java.util.List;

/**
 * What a strategy asks for: to follow the trajectory's noise, or some {@link Noise} of its own.
 *
 * <p>A draw given to {@link SearchContext#begin} or {@link SearchContext#expand} also becomes the
 * trajectory's <em>current noise</em>: later {@link Follow} steps continue with it, so a trajectory
 * begun with {@code Draw.fresh(key)} and followed to its end is the same sample in every strategy.
 */
public sealed interface Draw permits Draw.Follow, Draw.Fresh, Draw.Near, Noise {

  /** Continue with the trajectory's current noise. Not legal in {@link SearchContext#begin}. */
  record Follow() implements Draw {}

  /**
   * An independent sample.
   *
   * @param key where its noise comes from
   * @deprecated since 0.2; {@link Draw#fresh} gives {@link Noise.Keyed}, which says the same
   */
  @Deprecated(since = "0.2")
  record Fresh(DrawKey key) implements Draw {}

  /**
   * A sample near another one.
   *
   * @param pivot the centre; anything but {@link Follow} and {@link Noise.Mode}
   * @param direction where the displacement comes from
   * @param radius from 0 to 1
   * @deprecated since 0.2; {@link Draw#near} gives {@link Noise.Blend}, which says the same
   */
  @Deprecated(since = "0.2")
  record Near(Draw pivot, DrawKey direction, double radius) implements Draw {
    public Near {
      pivot = new Noise.Blend(Noise.of(pivot), direction, radius).pivot();
    }
  }

  /** {@link Follow}, the default of a roll-out. */
  static Draw follow() {
    return new Follow();
  }

  /**
   * An independent sample: {@link Noise.Keyed}.
   *
   * @param key where the noise comes from
   */
  static Draw fresh(DrawKey key) {
    return new Noise.Keyed(key);
  }

  /**
   * A sample near another one: {@link Noise.Blend}.
   *
   * @param pivot the centre; anything but {@link Follow}
   * @param direction where the displacement comes from
   * @param radius from 0 (the pivot itself) to 1 (independent of the pivot)
   * @throws EspalierException CONFIG if the radius is out of range, PLUGIN_CONTRACT if the pivot
   *     has no noise of its own
   */
  static Draw near(Draw pivot, DrawKey direction, double radius) {
    return new Noise.Blend(Noise.of(pivot), direction, radius);
  }

  /**
   * Several draws combined: {@link Noise.Mix}.
   *
   * @param parts what is combined, not empty; anything but {@link Follow}
   * @param weights one for each part, finite, not all zero; scaled to unit norm
   * @throws EspalierException PLUGIN_CONTRACT if they are anything else
   */
  static Draw mix(List<? extends Draw> parts, double... weights) {
    List<Noise> noises = new ArrayList<>(parts.size());
    parts.forEach(part -> noises.add(Noise.of(part)));
    List<Double> boxed = new ArrayList<>(weights.length);
    for (double weight : weights) {
      boxed.add(weight);
    }
    return new Noise.Mix(noises, boxed);
  }

  /**
   * The mirror image of a draw, whose numbers are its own with the other sign.
   *
   * @param draw anything but {@link Follow}
   */
  static Draw antithetic(Draw draw) {
    return mix(List.of(draw), -1);
  }
}
