package org.espalier.models.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import java.util.Random;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Samplers on a flow whose velocity is known exactly: images are Gaussian numbers with mean M and
 * standard deviation S, so the state at time t has mean (1 - t) M and variance (1 - t)^2 S^2 + t^2.
 */
class FlowSamplerTest {
  private static final double M = 1.5;
  private static final double S = 0.5;
  private static final int SAMPLES = 40_000;

  private static double mean(double t) {
    return (1 - t) * M;
  }

  private static double variance(double t) {
    return (1 - t) * (1 - t) * S * S + t * t;
  }

  /** E[e - x0 | x_t = x] for each sample. */
  private static float[] velocity(float[] x, double t) {
    float[] velocity = new float[x.length];
    for (int i = 0; i < x.length; i++) {
      double offset = (x[i] - mean(t)) / variance(t);
      velocity[i] = (float) (t * offset - (M + (1 - t) * S * S * offset));
    }
    return velocity;
  }

  private static float[] gaussian(long seed, int length) {
    Random random = new Random(seed);
    float[] values = new float[length];
    for (int i = 0; i < length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  private static double sampleMean(float[] x) {
    double sum = 0;
    for (float value : x) {
      sum += value;
    }
    return sum / x.length;
  }

  private static double sampleVariance(float[] x) {
    double mean = sampleMean(x);
    double sum = 0;
    for (float value : x) {
      sum += (value - mean) * (value - mean);
    }
    return sum / x.length;
  }

  private static double correlation(float[] a, float[] b) {
    double meanA = sampleMean(a);
    double meanB = sampleMean(b);
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += (a[i] - meanA) * (b[i] - meanB);
    }
    return sum / a.length / Math.sqrt(sampleVariance(a) * sampleVariance(b));
  }

  private static float[] run(FlowSampler sampler, float[] root, long seed, int steps) {
    float[] x = root;
    for (int step = 0; step < steps; step++) {
      float[] noise = sampler.isStochastic(step) ? gaussian(seed + step, x.length) : new float[0];
      x = sampler.step(x, velocity(x, sampler.time(step)), step, noise);
    }
    return x;
  }

  static Stream<FlowSampler> samplers() {
    double[] even = FlowSchedule.times(200, 1);
    double[] shifted = FlowSchedule.times(200, 3);
    return Stream.of(
        FlowSampler.ode(even),
        FlowSampler.ode(shifted),
        FlowSampler.sde(even, 1),
        FlowSampler.sde(even, 3),
        FlowSampler.sde(shifted, 3),
        FlowSampler.vpSde(even, 3),
        FlowSampler.vpSde(even, 6));
  }

  @ParameterizedTest
  @MethodSource("samplers")
  void marginalsAreTheFlowsAtEveryTime(FlowSampler sampler) {
    float[] root = gaussian(1, SAMPLES);
    for (int steps : new int[] {50, 100, 150, 200}) {
      float[] x = run(sampler, root, 100, steps);
      double t = sampler.time(steps);
      assertThat(sampleMean(x)).as("mean at %s", t).isCloseTo(mean(t), within(0.03));
      assertThat(Math.sqrt(sampleVariance(x)))
          .as("standard deviation at %s", t)
          .isCloseTo(Math.sqrt(variance(t)), within(0.015));
    }
  }

  @Test
  void noiseTurnsOneRootIntoDifferentSamplesAndMoreOfItMore() {
    float[] root = gaussian(1, SAMPLES);
    double[] even = FlowSchedule.times(100, 1);
    Function<FlowSampler, Double> kept =
        sampler -> correlation(run(sampler, root, 1000, 100), run(sampler, root, 2000, 100));
    assertThat(kept.apply(FlowSampler.ode(even))).isCloseTo(1, within(1e-6));
    // The share of the root's noise that reaches the end is exp(-k^2 / 6) in each of the two runs.
    assertThat(kept.apply(FlowSampler.sde(even, 1))).isCloseTo(Math.exp(-2 / 6.), within(0.03));
    assertThat(kept.apply(FlowSampler.sde(even, 3))).isCloseTo(Math.exp(-2 * 9 / 6.), within(0.03));
    assertThat(kept.apply(FlowSampler.vpSde(even, 3))).isLessThan(0.3);
  }

  @Test
  void withoutNoiseTheSdeIsTheOdeBitForBit() {
    float[] root = gaussian(3, 500);
    double[] times = FlowSchedule.times(30, 2.5);
    assertThat(run(FlowSampler.sde(times, 0), root, 0, 30))
        .isEqualTo(run(FlowSampler.ode(times), root, 0, 30));
  }

  @Test
  void withVanishingNoiseTheSdeTendsToTheOde() {
    float[] root = gaussian(3, 500);
    double[] times = FlowSchedule.times(30, 2.5);
    float[] ode = run(FlowSampler.ode(times), root, 0, 30);
    float[] sde = run(FlowSampler.sde(times, 1e-3), root, 0, 30);
    for (int i = 0; i < ode.length; i++) {
      assertThat(sde[i]).isCloseTo(ode[i], within(0.01f));
    }
  }

  @Test
  void everyStepButTheLastIsStochasticForTheSdesAndNoneForTheOde() {
    double[] times = FlowSchedule.times(5, 2);
    for (FlowSampler sampler : List.of(FlowSampler.sde(times, 3), FlowSampler.vpSde(times, 3))) {
      for (int step = 0; step < 4; step++) {
        assertThat(sampler.isStochastic(step)).isTrue();
      }
      assertThat(sampler.isStochastic(4)).isFalse();
    }
    for (int step = 0; step < 5; step++) {
      assertThat(FlowSampler.ode(times).isStochastic(step)).isFalse();
    }
  }

  @Test
  void vpTimesStartAtNoiseEndAtTheImageAndDwellOnNoise() {
    FlowSampler sampler = FlowSampler.vpSde(FlowSchedule.times(10, 1), 3);
    assertThat(sampler.time(0)).isEqualTo(1);
    assertThat(sampler.time(10)).isZero();
    // sigma / (alpha + sigma) at s = .5, computed apart: B = 2.5375, alpha = .28117, sigma =
    // .95966.
    assertThat(sampler.time(5)).isCloseTo(0.77340f, within(1e-4f));
    for (int step = 0; step < 10; step++) {
      assertThat(sampler.time(step + 1)).isLessThan(sampler.time(step));
    }
  }

  @Test
  void anImagePredictedFromTheExactVelocityIsTheConditionalMean() {
    FlowSampler sampler = FlowSampler.ode(FlowSchedule.times(4, 1));
    float[] x = {0.3f, 2f};
    float[] image = sampler.denoised(x, velocity(x, 0.5), 2);
    double t = 0.5;
    for (int i = 0; i < 2; i++) {
      double expected = M + (1 - t) * S * S / variance(t) * (x[i] - mean(t));
      assertThat(image[i]).isCloseTo((float) expected, within(1e-5f));
    }
  }

  @Test
  void theImagePredictedAtTheEndIsTheStateItself() {
    FlowSampler sampler = FlowSampler.ode(FlowSchedule.times(4, 1));
    float[] x = {0.3f, 2f};
    assertThat(sampler.denoised(x, new float[0], 4)).isEqualTo(x).isNotSameAs(x);
  }

  @Test
  void renoisingGivesTheMarginalsOfTheEarlierTime() {
    FlowSampler sampler = FlowSampler.ode(FlowSchedule.times(10, 1.8));
    float[] image = gaussian(5, SAMPLES);
    float[] first = gaussian(6, SAMPLES);
    float[] second = gaussian(7, SAMPLES);
    for (int[] pair : new int[][] {{10, 6}, {10, 0}, {7, 3}, {9, 8}, {5, 0}}) {
      double t = sampler.time(pair[0]);
      double u = sampler.time(pair[1]);
      float[] x = new float[SAMPLES];
      for (int i = 0; i < SAMPLES; i++) {
        x[i] = (float) ((1 - t) * (M + S * image[i]) + t * first[i]);
      }
      float[] earlier = sampler.renoised(x, pair[0], pair[1], second);
      assertThat(sampleMean(earlier)).isCloseTo(mean(u), within(0.03));
      assertThat(Math.sqrt(sampleVariance(earlier)))
          .isCloseTo(Math.sqrt(variance(u)), within(0.015));
      // Of the image the weight 1 - u is left: its covariance with the result says so.
      double share = correlation(image, earlier) * Math.sqrt(sampleVariance(earlier));
      assertThat(share).isCloseTo((1 - u) * S, within(0.02));
    }
  }

  @Test
  void renoisingByNothingButTheModeScalesTheLatent() {
    FlowSampler sampler = FlowSampler.ode(new double[] {1, 0.6, 0.2, 0});
    assertThat(sampler.renoised(new float[] {2}, 2, 1, new float[1])[0])
        .isCloseTo(1, within(1e-6f));
  }
}
