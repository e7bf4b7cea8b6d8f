package org.espalier.report;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.apache.commons.statistics.inference.BinomialTest;
import org.apache.commons.statistics.inference.WilcoxonSignedRankTest;
import org.espalier.records.CellRecord;
import org.jspecify.annotations.Nullable;

/** Means by prompt, their intervals, and the tests of paired differences. */
final class Statistics {
  private Statistics() {}

  /**
   * The mean over seeds, by prompt id in sorted order; without prompts that have no value.
   *
   * @param cells searches
   * @param measure of their answers
   */
  static Map<String, Double> byPrompt(Collection<? extends CellRecord> cells, Measure measure) {
    Map<String, double[]> sums = new TreeMap<>();
    for (CellRecord cell : cells) {
      Double value = measure.of(cell);
      if (value != null) {
        double[] sum = sums.computeIfAbsent(cell.prompt().id(), id -> new double[2]);
        sum[0] += value;
        sum[1]++;
      }
    }
    Map<String, Double> result = new TreeMap<>();
    sums.forEach((id, sum) -> result.put(id, sum[0] / sum[1]));
    return result;
  }

  /**
   * The mean over prompts with its interval, or null without a value.
   *
   * @param cells searches
   * @param measure of their answers
   */
  static PairedBootstrap.@Nullable Interval interval(
      Collection<? extends CellRecord> cells, Measure measure) {
    Map<String, Double> values = byPrompt(cells, measure);
    return values.isEmpty() ? null : PairedBootstrap.mean(List.copyOf(values.values()));
  }

  /**
   * The mean spends with their intervals, all from the same resamples; empty without a search.
   *
   * @param done searches
   */
  static Map<Axis, PairedBootstrap.Interval> spends(Collection<CellRecord.Done> done) {
    Axis[] axes = Axis.values();
    Map<String, List<double[]>> byPrompt = new TreeMap<>();
    for (CellRecord.Done cell : done) {
      byPrompt
          .computeIfAbsent(cell.prompt().id(), id -> new ArrayList<>())
          .add(Arrays.stream(axes).mapToDouble(axis -> axis.of(cell)).toArray());
    }
    Map<Axis, PairedBootstrap.Interval> result = new EnumMap<>(Axis.class);
    if (byPrompt.isEmpty()) {
      return result;
    }
    double[][] values = new double[byPrompt.size()][axes.length];
    int at = 0;
    for (List<double[]> seeds : byPrompt.values()) {
      for (double[] seed : seeds) {
        for (int i = 0; i < seed.length; i++) {
          values[at][i] += seed[i] / seeds.size();
        }
      }
      at++;
    }
    List<PairedBootstrap.Interval> intervals =
        PairedBootstrap.means(values, PairedBootstrap.RESAMPLES);
    for (Axis axis : axes) {
      result.put(axis, intervals.get(axis.ordinal()));
    }
    return result;
  }

  /**
   * The two-sided sign test.
   *
   * @param wins positive differences
   * @param losses negative differences
   * @return its p-value; 1 where all are ties
   */
  static double sign(int wins, int losses) {
    return wins + losses == 0
        ? 1
        : BinomialTest.withDefaults().test(wins + losses, wins, 0.5).getPValue();
  }

  /**
   * The two-sided signed-rank test of Wilcoxon.
   *
   * @param differences paired; zeros are left out, as Wilcoxon does
   * @return its p-value; 1 where fewer than two are left
   */
  static double wilcoxon(List<Double> differences) {
    double[] nonZero =
        differences.stream().mapToDouble(Double::doubleValue).filter(d -> d != 0).toArray();
    return nonZero.length < 2 ? 1 : WilcoxonSignedRankTest.withDefaults().test(nonZero).getPValue();
  }

  /**
   * Holm's step-down correction of p-values for their number.
   *
   * @param values in any order
   * @return the corrected ones in the same order
   */
  static double[] holm(double[] values) {
    List<Integer> sorted =
        IntStream.range(0, values.length)
            .boxed()
            .sorted(Comparator.comparingDouble(i -> values[i]))
            .toList();
    double[] adjusted = new double[values.length];
    double largest = 0;
    for (int i = 0; i < sorted.size(); i++) {
      largest = Math.max(largest, Math.min(1, values[sorted.get(i)] * (sorted.size() - i)));
      adjusted[sorted.get(i)] = largest;
    }
    return adjusted;
  }
}
