package org.espalier.testkit;

import java.util.Arrays;
import java.util.Set;
import org.espalier.api.Capability;
import org.espalier.api.Noise;
import org.jspecify.annotations.Nullable;

/**
 * A next-scale autoregressive model in miniature: each step samples {@link ToyModel#CHANNELS}
 * numbers given all earlier ones, its cost grows with the scale's tokens, guidance doubles the
 * rows, siblings share their parent's evaluation, and a state reads its parent's memory. It can
 * preview (the columns sampled so far), knows the probability of its draws and cannot rewind. By
 * default it has the 13 scales of <a href="https://arxiv.org/abs/2412.04431">Infinity</a> at one
 * megapixel. With fewer tokens each costs more, so that decoding and judging an image stay a few
 * hundredths of a sample, as they are of published models; were they dearer than the network, no
 * search that looks at partial samples could be worth its looks.
 */
public final class ToyScaleModel extends ToyModel {
  private static final int[] INFINITY = {
    1, 4, 16, 36, 64, 144, 256, 400, 576, 1024, 1600, 2304, 4096
  };
  private static final long FLOPS_PER_TOKEN = 1_000;

  /** Scale of the logistic distribution of each number. */
  private static final double WIDTH = 26;

  private final int[] scales;
  private final long flopsPerToken;

  /** With Infinity's 13 scales. */
  public ToyScaleModel() {
    this(INFINITY);
  }

  /**
   * With scales of one's own.
   *
   * @param scales tokens of each scale, at least one scale
   */
  public ToyScaleModel(int... scales) {
    super(
        "toy-scale",
        scales.length,
        Set.of(Capability.STOCHASTIC_STEP, Capability.PREVIEW, Capability.LOG_PROB),
        step -> true);
    this.scales = scales.clone();
    // Infinity's tokens cost FLOPS_PER_TOKEN each; fewer cost more each.
    this.flopsPerToken =
        Math.max(
            FLOPS_PER_TOKEN,
            FLOPS_PER_TOKEN * Arrays.stream(INFINITY).asLongStream().sum() / totalTokens());
  }

  /** Tokens of all scales together. */
  public long totalTokens() {
    return Arrays.stream(scales).asLongStream().sum();
  }

  @Override
  long rowsPerEvaluation() {
    return 2;
  }

  @Override
  long tokens(int step) {
    return scales[step];
  }

  @Override
  long flops(int step) {
    long context = 0;
    for (int i = 0; i <= step; i++) {
      context += scales[i];
    }
    return rowsPerEvaluation() * scales[step] * (flopsPerToken + context / 16);
  }

  @Override
  int painted(int step) {
    return step;
  }

  @Override
  double[] root(Noise noise) {
    return new double[0];
  }

  @Override
  double[] next(ToyState parent, Noise noise) {
    double[] values = Arrays.copyOf(parent.values, parent.values.length + CHANNELS);
    double centre = centre(parent);
    double[] uniforms = ToyNoise.uniforms(noise, parent.step(), CHANNELS);
    for (int i = 0; i < CHANNELS; i++) {
      // Logistic around the drifting centre.
      double sampled = centre + WIDTH * StrictMath.log(uniforms[i] / (1 - uniforms[i]));
      values[parent.values.length + i] = Math.rint(Math.max(0, Math.min(255, sampled)));
    }
    return values;
  }

  /** What was sampled before shifts what comes next, so that a prefix matters. */
  private static double centre(ToyState parent) {
    double drift = 0;
    for (double value : parent.values) {
      drift = 0.5 * drift + 0.25 * (value - 128);
    }
    return 128 + 0.2 * drift;
  }

  @Override
  double logProb(@Nullable ToyState parent, double[] values) {
    if (parent == null) {
      return 0;
    }
    double centre = centre(parent);
    double sum = parent.logProb;
    for (int i = parent.values.length; i < values.length; i++) {
      // The share of the logistic distribution that is rounded to this value.
      double above = values[i] == 255 ? 1 : below(values[i] + 0.5, centre);
      double under = values[i] == 0 ? 0 : below(values[i] - 0.5, centre);
      sum += StrictMath.log(above - under);
    }
    return sum;
  }

  private static double below(double value, double centre) {
    return 1 / (1 + StrictMath.exp((centre - value) / WIDTH));
  }

  @Override
  double[] renoise(ToyState from, int toStep, Noise noise) {
    throw new UnsupportedOperationException("a next-scale model cannot rewind");
  }

  @Override
  boolean dependent(int step) {
    return true;
  }

  @Override
  long bytes(int step) {
    return step == 0 ? 16 : 64L * scales[step - 1];
  }

  @Override
  int pixel(ToyState state, int column, int channel) {
    int at = column * CHANNELS + channel;
    return at < state.values.length ? (int) state.values[at] : -1;
  }
}
