package org.espalier.study.report;

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
    int n = byPrompt.size();
    double[] values = byPrompt.stream().mapToDouble(Double::doubleValue).toArray();
    RandomGenerator random = new Well19937c(20250711);
    double[] means = new double[RESAMPLES];
    for (int r = 0; r < RESAMPLES; r++) {
      double sum = 0;
      for (int i = 0; i < n; i++) {
        sum += values[random.nextInt(n)];
      }
      means[r] = sum / n;
    }
    double sum = 0;
    for (double value : values) {
      sum += value;
    }
    Percentile percentile = new Percentile();
    percentile.setData(means);
    return new Interval(sum / n, percentile.evaluate(2.5), percentile.evaluate(97.5), n);
  }
}
