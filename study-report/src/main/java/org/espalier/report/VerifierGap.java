package org.espalier.report;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.apache.commons.statistics.descriptive.StandardDeviation;
import org.espalier.records.CellRecord;
import org.jspecify.annotations.Nullable;

/**
 * How far a search verifier's score runs ahead of the study's metric as the budget grows: the
 * over-optimisation of <a href="https://arxiv.org/abs/2210.10760">Gao et al. 2022</a>. Gains are
 * those of the answers since the smallest budget of the same arm and model, prompt by prompt, in
 * standard deviations of the answers there, so that verifiers of different scales compare.
 *
 * @param score the verifier's gain
 * @param metric the metric's gain
 * @param difference score less metric: 0 for an oracle
 */
public record VerifierGap(
    PairedBootstrap.Interval score,
    PairedBootstrap.Interval metric,
    PairedBootstrap.Interval difference) {

  /**
   * The gap of searches, or null where scores or metric are missing or do not vary.
   *
   * @param smallest cells of the arm and model at its smallest budget
   * @param cells cells at the budget in question
   */
  static @Nullable VerifierGap of(List<CellRecord> smallest, List<CellRecord> cells) {
    double scoreUnit = deviation(smallest, Measure.SCORE);
    double metricUnit = deviation(smallest, Measure.METRIC);
    if (!(scoreUnit > 0) || !(metricUnit > 0)) {
      return null;
    }
    Map<String, Double> scoreBefore = Statistics.byPrompt(smallest, Measure.SCORE);
    Map<String, Double> metricBefore = Statistics.byPrompt(smallest, Measure.METRIC);
    Map<String, Double> scoreNow = Statistics.byPrompt(cells, Measure.SCORE);
    Map<String, Double> metricNow = Statistics.byPrompt(cells, Measure.METRIC);
    List<Double> scores = new ArrayList<>();
    List<Double> metrics = new ArrayList<>();
    List<Double> differences = new ArrayList<>();
    scoreNow.forEach(
        (prompt, now) -> {
          Double before = scoreBefore.get(prompt);
          Double judgedBefore = metricBefore.get(prompt);
          Double judged = metricNow.get(prompt);
          if (before != null && judgedBefore != null && judged != null) {
            scores.add((now - before) / scoreUnit);
            metrics.add((judged - judgedBefore) / metricUnit);
            differences.add(scores.get(scores.size() - 1) - metrics.get(metrics.size() - 1));
          }
        });
    return differences.isEmpty()
        ? null
        : new VerifierGap(
            PairedBootstrap.mean(scores),
            PairedBootstrap.mean(metrics),
            PairedBootstrap.mean(differences));
  }

  /** The standard deviation of the answers; 0 without any. */
  private static double deviation(List<CellRecord> cells, Measure measure) {
    double[] values =
        cells.stream()
            .map(measure::of)
            .filter(Objects::nonNull)
            .mapToDouble(value -> Objects.requireNonNull(value))
            .toArray();
    return values.length == 0 ? 0 : StandardDeviation.of(values).setBiased(true).getAsDouble();
  }
}
