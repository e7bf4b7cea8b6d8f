package org.espalier.report;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.commons.math3.random.RandomGenerator;
import org.apache.commons.math3.random.Well19937c;
import org.apache.commons.math3.stat.descriptive.rank.Percentile;

/**
 * Percentile bootstrap of a mean over prompts. Prompts are resampled, not samples: the seeds of one
 * prompt are averaged first, so that intervals are clustered by prompt. The same resamples are used
 * for every series, so that differences are paired.
 */
public final class PairedBootstrap {
  /** Resamples: the Monte Carlo error of a 95 % bound is then about 1 % of the interval. */
  public static final int RESAMPLES = 4000;

  private PairedBootstrap() {}

  /**
   * A mean and its 95 % interval.
   *
   * @param mean of the sample
   * @param low lower bound
   * @param high upper bound
   * @param prompts how many clusters it rests on
   */
  public record Interval(double mean, double low, double high, int prompts) {}

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
    int n = byPrompt.length;
    int measures = byPrompt[0].length;
    RandomGenerator random = new Well19937c(20250711);
    double[][] means = new double[measures][resamples];
    double[] sums = new double[measures];
    for (int r = 0; r < resamples; r++) {
      Arrays.fill(sums, 0);
      for (int i = 0; i < n; i++) {
        add(sums, byPrompt[random.nextInt(n)]);
      }
      for (int m = 0; m < measures; m++) {
        means[m][r] = sums[m] / n;
      }
    }
    Arrays.fill(sums, 0);
    for (double[] values : byPrompt) {
      add(sums, values);
    }
    Percentile percentile = new Percentile();
    List<Interval> intervals = new ArrayList<>(measures);
    for (int m = 0; m < measures; m++) {
      percentile.setData(means[m]);
      intervals.add(
          new Interval(sums[m] / n, percentile.evaluate(2.5), percentile.evaluate(97.5), n));
    }
    return intervals;
  }

  private static void add(double[] sums, double[] values) {
    for (int m = 0; m < sums.length; m++) {
      sums[m] += values[m];
    }
  }
}
