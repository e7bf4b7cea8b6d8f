package org.espalier.api;

import java.util.ArrayList;
import java.util.List;

/**
 * A {@link Draw} that stands for itself: noise of a root or of one step. This is what a model is
 * handed, after the engine has resolved {@link Draw.Follow}. A model turns it into numbers as a
 * pure function of (noise, step), whatever else is in the batch.
 *
 * <p>Each kind says what it is for Gaussian noise (flow and diffusion models) and for discrete
 * steps (autoregressive models), where a token is decided by uniform numbers.
 */
public sealed interface Noise extends Draw {

  /**
   * Independent noise.
   *
   * @param key where it comes from; at step s a model uses {@code key.child(s)}
   */
  record Keyed(DrawKey key) implements Noise {
    @Override
    public DrawKey identity() {
      return key;
    }
  }

  /**
   * Noise near a pivot, for zero-order search (<a href="https://arxiv.org/abs/2501.09732">Ma et al.
   * 2025</a>). Gaussian: {@code sqrt(1 - radius^2) * pivot + radius * direction}. Discrete: a token
   * takes the pivot's uniform numbers with probability {@code 1 - radius}, else the direction's.
   *
   * @param pivot the centre; not {@link Mode}
   * @param direction where the displacement comes from
   * @param radius from 0 (the pivot itself) to 1 (independent of the pivot)
   */
  record Blend(Noise pivot, DrawKey direction, double radius) implements Noise {
    public Blend {
      if (!(radius >= 0 && radius <= 1)) {
        throw EspalierException.config(
            "The radius (" + radius + ") of a neighbouring draw must lie in [0, 1].",
            "Maybe set strategy.radius between 0 and 1.");
      }
      requireRandom(pivot, "pivot of a neighbouring draw");
    }

    @Override
    public DrawKey identity() {
      return pivot
          .identity()
          .child("near")
          .child(direction.high())
          .child(direction.low())
          .child(Double.doubleToLongBits(radius));
    }
  }

  /**
   * Several noises combined with weights of unit norm: crossover ({@code 1, 1}), antithetic pairs
   * ({@code -1} of a single part), means and difference vectors of evolution strategies. Gaussian:
   * {@code sum of weight * part}, which is standard normal again where the parts are independent.
   * Discrete: each token takes the uniform numbers u of one part, chosen with probability {@code
   * weight^2} by {@link #choice}; a part of negative weight gives {@code 1 - u}.
   *
   * @param parts what is combined, not empty; none is {@link Mode}
   * @param weights one for each part, finite, not all zero; scaled so that their squares add up to
   *     1
   */
  record Mix(List<Noise> parts, List<Double> weights) implements Noise {
    public Mix {
      parts = List.copyOf(parts);
      if (parts.isEmpty() || parts.size() != weights.size()) {
        throw contract(
            "A mixed draw has %d parts and %d weights.".formatted(parts.size(), weights.size()),
            "Maybe give one weight for each part.");
      }
      parts.forEach(part -> requireRandom(part, "part of a mixed draw"));
      double largest = 0;
      for (double weight : weights) {
        largest = Math.max(largest, Math.abs(weight));
        if (!Double.isFinite(weight)) {
          largest = Double.NaN;
          break;
        }
      }
      if (!(largest > 0)) {
        throw contract(
            "The weights (" + weights + ") of a mixed draw must be finite and not all zero.",
            "Maybe use 1, 1 for a crossover or -1 for an antithetic draw.");
      }
      double squares = 0;
      for (double weight : weights) {
        squares += (weight / largest) * (weight / largest);
      }
      List<Double> scaled = new ArrayList<>(weights.size());
      for (double weight : weights) {
        scaled.add(weight / largest / Math.sqrt(squares));
      }
      weights = List.copyOf(scaled);
    }

    /**
     * The key by which discrete steps choose among the parts: a function of the parts alone, so
     * that draws of the same parts differ by their weights only. At step s a model uses {@code
     * choice().child(s)}.
     */
    public DrawKey choice() {
      DrawKey key = DrawKey.root(0).child("mix");
      for (Noise part : parts) {
        DrawKey of = part.identity();
        key = key.child(of.high()).child(of.low());
      }
      return key;
    }

    /**
     * The part from which a token takes its numbers.
     *
     * @param uniform a uniform number in [0, 1)
     */
    public int chosen(double uniform) {
      double rest = uniform;
      for (int i = 0; i < weights.size() - 1; i++) {
        rest -= weights.get(i) * weights.get(i);
        if (rest < 0) {
          return i;
        }
      }
      return weights.size() - 1;
    }

    @Override
    public DrawKey identity() {
      DrawKey key = choice();
      for (double weight : weights) {
        key = key.child(Double.doubleToLongBits(weight));
      }
      return key;
    }
  }

  /** The most probable outcome: argmax for discrete steps, zero noise for Gaussian ones. */
  record Mode() implements Noise {
    @Override
    public DrawKey identity() {
      return DrawKey.root(0).child("mode");
    }
  }

  /** A key that is the same for equal noise and different for different noise. */
  DrawKey identity();

  /**
   * The noise of a draw.
   *
   * @param draw anything but {@link Draw.Follow}
   * @throws EspalierException PLUGIN_CONTRACT for {@link Draw.Follow}
   */
  static Noise of(Draw draw) {
    if (draw instanceof Noise noise) {
      return noise;
    }
    if (draw instanceof Draw.Fresh fresh) {
      return new Keyed(fresh.key());
    }
    if (draw instanceof Draw.Near near) {
      return new Blend(of(near.pivot()), near.direction(), near.radius());
    }
    throw contract(
        "A draw that follows its trajectory has no noise of its own.",
        "Maybe use Draw.fresh(context.stream(\"sample\").child(i)).");
  }

  private static void requireRandom(Noise noise, String what) {
    if (noise instanceof Mode) {
      throw contract("The " + what + " must not be the mode.", "Maybe use Draw.fresh.");
    }
  }

  private static EspalierException contract(String what, String advice) {
    return new EspalierException(EspalierException.Code.PLUGIN_CONTRACT, what, advice);
  }
}
