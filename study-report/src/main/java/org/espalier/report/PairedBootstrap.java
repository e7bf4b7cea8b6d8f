package org.espalier.report;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.commons.rng.UniformRandomProvider;
import org.apache.commons.rng.simple.RandomSource;
import org.apache.commons.statistics.descriptive.Quantile;

/**
 * Percentile bootstrap of a mean over prompts. Prompts are resampled, not samples: the seeds of one
 * prompt are averaged first, so that intervals are clustered by prompt. The same resamples are used
 * for every series, so that differences are paired.
 */
public final class PairedBootstrap {
  /** Resamples: the Monte Carlo error of a 95 % bound is then about 1 % of the interval. */
  public static final int RESAMPLES = 4000;

  private static final int SEED = 20_250_711;
  private static final Quantile QUANTILE =
      Quantile.withDefaults().with(Quantile.EstimationMethod.HF6);

  /** A power of two: digits stay. */
  private static final double HUGE_SCALE = 0x1p-40;

  private PairedBootstrap() {}

  /**
   * A mean and its 95 % interval.
   *
   * @param mean of the sample
   * @param low lower bound; NaN for one prompt, which says nothing of others
   * @param high upper bound; NaN for one prompt
   * @param prompts how many clusters it rests on
   */
  public record Interval(double mean, double low, double high, int prompts) {
    /** Whether there is an interval: it takes two prompts. */
    public boolean isBounded() {
      return prompts > 1;
    }
  }

  /**
   * The interval of a mean.
   *
   * @param byPrompt one value a prompt, not empty; in an order that is the same for paired series
   */
  public static Interval mean(List<Double> byPrompt) {
    double[][] values = new double[byPrompt.size()][];
    for (int i = 0; i < values.length; i++) {
      values[i] = new double[] {byPrompt.get(i)};
    }
    return means(values, RESAMPLES).get(0);
  }

  /**
   * The intervals of several means over the same prompts. All of them share every resample, so that
   * prompts are drawn once for all.
   *
   * @param byPrompt prompts, none of them missing, by measures
   * @param resamples how many
   * @return one interval a measure
   */
  static List<Interval> means(double[][] byPrompt, int resamples) {
    double scale =
        Arrays.stream(byPrompt).flatMapToDouble(Arrays::stream).anyMatch(PairedBootstrap::isHuge)
            ? HUGE_SCALE
            : 1;
    if (scale == 1) {
      return means(byPrompt, resamples, 1);
    }
    double[][] scaled = new double[byPrompt.length][];
    for (int i = 0; i < scaled.length; i++) {
      scaled[i] = Arrays.stream(byPrompt[i]).map(value -> value * scale).toArray();
    }
    return means(scaled, resamples, scale);
  }

  /** Whether sums of such values may leave the range of a double. */
  private static boolean isHuge(double value) {
    return Math.abs(value) > 0x1p970;
  }

  private static List<Interval> means(double[][] byPrompt, int resamples, double scale) {
    int n = byPrompt.length;
    int measures = byPrompt[0].length;
    UniformRandomProvider random = RandomSource.WELL_19937_C.create(new int[] {SEED});
    double[][] means = new double[measures][resamples];
    double[] sums = new double[measures];
    for (int r = 0; r < resamples; r++) {
      Arrays.fill(sums, 0);
      for (int i = 0; i < n; i++) {
        add(sums, byPrompt[below(random, n)]);
      }
      for (int m = 0; m < measures; m++) {
        means[m][r] = sums[m] / n;
      }
    }
    Arrays.fill(sums, 0);
    for (double[] values : byPrompt) {
      add(sums, values);
    }
    List<Interval> intervals = new ArrayList<>(measures);
    for (int m = 0; m < measures; m++) {
      double mean = sums[m] / n / scale;
      if (n == 1) {
        intervals.add(new Interval(mean, Double.NaN, Double.NaN, n));
      } else {
        double[] bounds = QUANTILE.evaluate(means[m], 0.025, 0.975);
        intervals.add(new Interval(mean, bounds[0] / scale, bounds[1] / scale, n));
      }
    }
    return intervals;
  }

  /** As Java's own generator does it: intervals of published tables repeat to the last digit. */
  private static int below(UniformRandomProvider random, int n) {
    if ((n & -n) == n) {
      return (int) (n * (long) (random.nextInt() >>> 1) >> 31);
    }
    int bits;
    int value;
    do {
      bits = random.nextInt() >>> 1;
      value = bits % n;
    } while (bits - value + (n - 1) < 0);
    return value;
  }

  private static void add(double[] sums, double[] values) {
    for (int m = 0; m < sums.length; m++) {
      sums[m] += values[m];
    }
  }
}
