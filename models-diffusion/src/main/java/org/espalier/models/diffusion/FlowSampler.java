package org.espalier.models.diffusion;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * One step of a rectified flow, as arithmetic on latents of any length. All samplers share one
 * update. With the network's velocity v at {@code (x, t)}, the predicted image is {@code x0 = x - t
 * v} and the predicted noise {@code e = x + (1 - t) v}; the step from t to u &lt; t is
 *
 * <pre>x_u = (1 - u) x0 + u (r e + sqrt(1 - r^2) z),   z ~ N(0, I).</pre>
 *
 * <p>With r = 1 this is the Euler step of the probability-flow ODE. With r &lt; 1 it is the exact
 * solution, for predictions frozen over the step, of the reverse-time SDE of the same marginals
 *
 * <pre>dx = (v - g(t)^2 s / 2) dt + g(t) dw,   score s = -e / t</pre>
 *
 * <p>(the score of the linear interpolant follows from the velocity: {@code s = -(x + (1 - t) v) /
 * t}): the noise component obeys an Ornstein-Uhlenbeck process, whence {@code r = exp(-integral of
 * g^2 / (2 sigma^2))} over the step, with sigma(t) = t. The coefficient is {@code g(t) = k t^2} as
 * in <a href="https://arxiv.org/abs/2503.19385">Kim et al. 2025</a>. Unlike Euler-Maruyama the
 * update keeps the variance at any step size, and no noise is left at u = 0: the last step is
 * deterministic.
 *
 * <p>The variance-preserving sampler converts the interpolant as in that paper: {@code alpha(s) =
 * exp(-B(s) / 2)}, {@code sigma(s)^2 = 1 - exp(-B(s))}, {@code B(s) = 0.1 s + 9.95 s^2} (<a
 * href="https://arxiv.org/abs/2011.13456">Song et al. 2021</a>). Times s are mapped to the flow's
 * time of the same signal-to-noise ratio, {@code t = sigma / (alpha + sigma)}, states are divided
 * by {@code alpha + sigma}, so that they stay linear-interpolant latents for decoding and
 * re-noising, and r integrates {@code g(s)^2 / (2 sigma(s)^2)}. The conversion spends more steps at
 * high noise, where branches still differ in content.
 *
 * <p>The multistep sampler is DPM-Solver++(2M) (<a href="https://arxiv.org/abs/2211.01095">Lu et
 * al. 2022</a>) on the flow's times: in the step from t to u the predicted image is extrapolated by
 * the one of the step before, {@code x0 + (x0 - x0') / (2 r)} with r the ratio of both steps in the
 * logarithm of the signal-to-noise ratio. The first step after the root or a rewind, and the last
 * one, are of first order.
 */
final class FlowSampler {
  private static final double BETA_MIN = 0.1;
  private static final double BETA_MAX = 20;

  /** Intervals of Simpson's rule in one step; the integrands are smooth. */
  private static final int INTERVALS = 64;

  private final float[] times;

  /** The share r of the predicted noise that each step keeps. */
  private final double[] kept;

  private final boolean multistep;

  /** The times that the network is told. */
  private final float[] told;

  private FlowSampler(double[] times, double[] kept) {
    this(times, kept, false);
  }

  private FlowSampler(double[] times, double[] kept, boolean multistep) {
    this.multistep = multistep;
    this.told = new float[times.length];
    for (int i = 0; i < times.length; i++) {
      // The published scheduler of the multistep sampler tells the network whole thousandths.
      told[i] = (float) (multistep ? Math.floor(times[i] * 1000) / 1000 : times[i]);
    }
    this.times = new float[times.length];
    for (int i = 0; i < times.length; i++) {
      this.times[i] = (float) times[i];
    }
    this.kept = kept;
  }

  /**
   * Euler's method.
   *
   * @param times decreasing from 1 to 0
   */
  static FlowSampler ode(double[] times) {
    double[] kept = new double[times.length - 1];
    Arrays.fill(kept, 1);
    return new FlowSampler(times, kept);
  }

  /**
   * DPM-Solver++(2M).
   *
   * @param times decreasing from about 1 to 0
   */
  static FlowSampler multistep(double[] times) {
    double[] kept = new double[times.length - 1];
    Arrays.fill(kept, 1);
    return new FlowSampler(times, kept, true);
  }

  /**
   * The SDE of the linear interpolant.
   *
   * @param times decreasing from 1 to 0
   * @param noiseScale k in {@code g(t) = k t^2}
   */
  static FlowSampler sde(double[] times, double noiseScale) {
    double[] kept = new double[times.length - 1];
    for (int i = 0; i < kept.length; i++) {
      double integral = (Math.pow(times[i], 3) - Math.pow(times[i + 1], 3)) / 3;
      kept[i] = Math.exp(-noiseScale * noiseScale / 2 * integral);
    }
    return new FlowSampler(times, kept);
  }

  /**
   * The SDE of the variance-preserving interpolant.
   *
   * @param vpTimes times s of that interpolant, decreasing from 1 to 0
   * @param noiseScale k in {@code g(s) = k s^2}
   */
  static FlowSampler vpSde(double[] vpTimes, double noiseScale) {
    double[] times = new double[vpTimes.length];
    double[] kept = new double[vpTimes.length - 1];
    for (int i = 0; i < times.length; i++) {
      double variance = vpVariance(vpTimes[i]);
      double sigma = Math.sqrt(variance);
      times[i] = sigma / (Math.sqrt(1 - variance) + sigma);
    }
    // At s = 1 a trace of the image (alpha = .007) is left, which a root drawn from noise lacks.
    times[0] = 1;
    for (int i = 0; i < kept.length; i++) {
      double from = vpTimes[i + 1];
      double h = (vpTimes[i] - from) / INTERVALS;
      double sum = 0;
      for (int j = 0; j <= INTERVALS; j++) {
        double s = from + j * h;
        double weight = j == 0 || j == INTERVALS ? 1 : j % 2 == 1 ? 4 : 2;
        sum += s > 0 ? weight * Math.pow(s, 4) / (2 * vpVariance(s)) : 0;
      }
      kept[i] = Math.exp(-noiseScale * noiseScale * sum * h / 3);
    }
    return new FlowSampler(times, kept);
  }

  private static double vpVariance(double s) {
    return -Math.expm1(-(BETA_MIN * s + (BETA_MAX - BETA_MIN) * s * s / 2));
  }

  /** Steps of a complete sample. */
  int steps() {
    return kept.length;
  }

  /** The flow's times, one more than steps. */
  float[] times() {
    return times.clone();
  }

  /**
   * The flow's time at a step.
   *
   * @param step from 0 to {@link #steps}
   */
  float time(int step) {
    return times[step];
  }

  /**
   * The time that the network is told at a step.
   *
   * @param step from 0 to {@link #steps} - 1
   */
  float told(int step) {
    return told[step];
  }

  /** Whether a step reads the predicted image of the step before. */
  boolean isMultistep() {
    return multistep;
  }

  /**
   * Takes a step that reads the predicted image of the step before.
   *
   * @param x the latent at the step's time
   * @param image the image predicted there
   * @param step from 0 to {@link #steps} - 1
   * @param before the image predicted at the step before, or null where there is none
   */
  float[] multistep(float[] x, float[] image, int step, float @Nullable [] before) {
    double t = times[step];
    double u = times[step + 1];
    double keep = u / t;
    double add = (1 - u) - u * (1 - t) / t;
    double more = 0;
    if (before != null && u > 0) {
      double last = logRatio(step) - logRatio(step - 1);
      double next = logRatio(step + 1) - logRatio(step);
      more = next / last / 2;
    }
    float[] result = new float[x.length];
    for (int i = 0; i < result.length; i++) {
      double ahead = before == null ? image[i] : image[i] + more * (image[i] - before[i]);
      result[i] = (float) (keep * x[i] + add * ahead);
    }
    return result;
  }

  /** Logarithm of the ratio of image to noise at a step. */
  private double logRatio(int step) {
    return Math.log(1 - times[step]) - Math.log(times[step]);
  }

  /**
   * Whether a step adds noise.
   *
   * @param step from 0 to {@link #steps} - 1
   */
  boolean isStochastic(int step) {
    return kept[step] < 1 && times[step + 1] > 0;
  }

  /**
   * Takes a step.
   *
   * @param x the latent at the step's time
   * @param velocity the network's answer there
   * @param step from 0 to {@link #steps} - 1
   * @param noise standard normal numbers, as many as there are latents; unused and possibly empty
   *     unless the step {@link #isStochastic is stochastic}
   */
  float[] step(float[] x, float[] velocity, int step, float[] noise) {
    float t = times[step];
    float u = times[step + 1];
    float[] next = new float[x.length];
    if (!isStochastic(step)) {
      float dt = u - t;
      for (int i = 0; i < next.length; i++) {
        next[i] = x[i] + dt * velocity[i];
      }
      return next;
    }
    float keep = (float) kept[step];
    float add = (float) Math.sqrt(1 - kept[step] * kept[step]);
    for (int i = 0; i < next.length; i++) {
      float image = x[i] - t * velocity[i];
      float predicted = x[i] + (1 - t) * velocity[i];
      next[i] = (1 - u) * image + u * (keep * predicted + add * noise[i]);
    }
    return next;
  }

  /**
   * The predicted image: the preview of a state. At the last step it is the state itself.
   *
   * @param x the latent
   * @param velocity the network's answer there; unused and possibly empty at the last step
   * @param step from 0 to {@link #steps}
   */
  float[] denoised(float[] x, float[] velocity, int step) {
    float[] image = x.clone();
    if (step < steps()) {
      for (int i = 0; i < image.length; i++) {
        image[i] -= times[step] * velocity[i];
      }
    }
    return image;
  }

  /**
   * Re-noises a latent from time t to an earlier step's time u &gt; t by the forward transition of
   * the linear interpolant,
   *
   * <pre>x_u = a x_t + sqrt(u^2 - a^2 t^2) z,   a = (1 - u) / (1 - t),</pre>
   *
   * <p>which has the marginal at u if x_t has the one at t: the image keeps its weight {@code a (1
   * - t) = 1 - u}, and the variance of the noise is {@code a^2 t^2 + (u^2 - a^2 t^2) = u^2}.
   *
   * @param x the latent
   * @param from its step
   * @param to the earlier step
   * @param noise standard normal numbers
   */
  float[] renoised(float[] x, int from, int to, float[] noise) {
    double t = times[from];
    double u = times[to];
    // Only the root, where nothing is known, has t = 1; there is no step before it.
    double scale = (1 - u) / (1 - t);
    float a = (float) scale;
    float b = (float) Math.sqrt(Math.max(0, u * u - scale * scale * t * t));
    float[] next = new float[x.length];
    for (int i = 0; i < next.length; i++) {
      next[i] = a * x[i] + b * noise[i];
    }
    return next;
  }
}
