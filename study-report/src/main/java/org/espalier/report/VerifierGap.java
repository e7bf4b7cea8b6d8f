package org.espalier.report;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.commons.math3.stat.descriptive.moment.StandardDeviation;
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
    double scoreUnit = deviation(smallest, CellRecord::score);
    double metricUnit = deviation(smallest, CellRecord::metric);
    if (!(scoreUnit > 0) || !(metricUnit > 0)) {
      return null;
    }
    Map<String, Double> scoreBefore = Summary.byPrompt(smallest, CellRecord::score);
    Map<String, Double> metricBefore = Summary.byPrompt(smallest, CellRecord::metric);
    Map<String, Double> scoreNow = Summary.byPrompt(cells, CellRecord::score);
    Map<String, Double> metricNow = Summary.byPrompt(cells, CellRecord::metric);
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

  private static double deviation(
      List<CellRecord> cells, java.util.function.Function<CellRecord, @Nullable Double> value) {
    StandardDeviation deviation = new StandardDeviation(false);
    for (CellRecord cell : cells) {
      Double v = cell.isDone() ? value.apply(cell) : null;
      if (v != null) {
        deviation.increment(v);
      }
    }
    return deviation.getN() == 0 ? 0 : deviation.getResult();
  }
}
