package org.espalier.report;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.espalier.records.CellRecord;
import org.jspecify.annotations.Nullable;

/**
 * A paired comparison with a baseline, prompt by prompt.
 *
 * @param series what is compared
 * @param baseline with what
 * @param level at which budget
 * @param measure by what
 * @param difference mean and interval
 * @param wins prompts at which it is better
 * @param ties prompts at which both are equal
 * @param losses prompts at which it is worse
 * @param pValue two-sided: sign test for the metric, Wilcoxon signed-rank test for scores; 1 where
 *     all are ties
 * @param adjusted Holm's correction over all comparisons of the same measure
 * @param equalCompute whether the mean spends differ by no more than the tolerance
 */
public record Comparison(
    String series,
    String baseline,
    String level,
    Measure measure,
    PairedBootstrap.Interval difference,
    int wins,
    int ties,
    int losses,
    double pValue,
    double adjusted,
    boolean equalCompute) {

  /** Id of the strategy that others must beat. */
  private static final String BASELINE = "best-of-n";

  /** Differences from a baseline at the prompts that both have. */
  private record Pairing(Series series, Series base, Measure measure, List<Double> differences) {
    int wins() {
      return (int) differences.stream().filter(difference -> difference > 0).count();
    }

    int losses() {
      return (int) differences.stream().filter(difference -> difference < 0).count();
    }

    double pValue() {
      return measure == Measure.METRIC
          ? Statistics.sign(wins(), losses())
          : Statistics.wilcoxon(differences);
    }

    Comparison comparison(double pValue, double adjusted, boolean equalCompute) {
      return new Comparison(
          series.name(),
          base.level().equals(series.level()) ? base.name() : base.toString(),
          series.level(),
          measure,
          PairedBootstrap.mean(differences),
          wins(),
          differences.size() - wins() - losses(),
          losses(),
          pValue,
          adjusted,
          equalCompute);
    }
  }

  /**
   * Compares every series with the study's baseline, which is best-of-n or else the first arm, on
   * the same model at the same level, and with its own arm on the first model.
   *
   * @param groups searches by series, in the study's order; none empty
   * @param spends mean spend in the budget's unit, by series
   * @param tolerance of equal compute
   */
  static List<Comparison> all(
      Map<Series, List<CellRecord>> groups, Map<Series, Double> spends, double tolerance) {
    List<Comparison> result = new ArrayList<>();
    for (Measure measure : Measure.values()) {
      List<Pairing> pairings = new ArrayList<>();
      groups.forEach(
          (series, cells) -> {
            for (Series base : baselines(groups, series)) {
              Pairing pairing =
                  pair(series, base, cells, groups.getOrDefault(base, List.of()), measure);
              if (pairing != null) {
                pairings.add(pairing);
              }
            }
          });
      double[] raw = pairings.stream().mapToDouble(Pairing::pValue).toArray();
      double[] adjusted = Statistics.holm(raw);
      for (int i = 0; i < raw.length; i++) {
        Pairing pairing = pairings.get(i);
        double ours = spends.getOrDefault(pairing.series(), 0.0);
        double theirs = spends.getOrDefault(pairing.base(), 0.0);
        boolean equal =
            Math.max(ours, theirs) > 0
                && Math.abs(ours - theirs) <= tolerance * Math.max(ours, theirs);
        result.add(pairing.comparison(raw[i], adjusted[i], equal));
      }
    }
    return result;
  }

  /**
   * What a series is compared with: the study's baseline on the same model at the same level, and
   * its own arm on the study's first model at the same level. Nothing else differs in one thing
   * alone.
   */
  private static Set<Series> baselines(Map<Series, List<CellRecord>> groups, Series series) {
    Set<Series> bases = new LinkedHashSet<>();
    Series baseline = baseline(groups, series);
    if (baseline != null) {
      bases.add(baseline);
    }
    groups.keySet().stream()
        .filter(other -> other.arm().equals(series.arm()) && other.level().equals(series.level()))
        .findFirst()
        .ifPresent(bases::add);
    bases.remove(series);
    return bases;
  }

  /**
   * Best-of-n on the same model at the same level, driven by the same verifier; else the study's
   * first arm so driven; else best-of-n with another verifier.
   */
  private static @Nullable Series baseline(Map<Series, List<CellRecord>> groups, Series series) {
    String firstArm = groups.keySet().iterator().next().arm();
    CellRecord.@Nullable Driver driver = first(groups, series).verifier();
    Comparator<Series> preference =
        Comparator.comparing(
                (Series other) -> !Objects.equals(first(groups, other).verifier(), driver))
            .thenComparing(other -> !first(groups, other).strategy().equals(BASELINE));
    return groups.keySet().stream()
        .filter(
            other -> other.model().equals(series.model()) && other.level().equals(series.level()))
        .filter(
            other ->
                first(groups, other).strategy().equals(BASELINE)
                    || (other.arm().equals(firstArm)
                        && Objects.equals(first(groups, other).verifier(), driver)))
        .min(preference)
        .orElse(null);
  }

  private static CellRecord first(Map<Series, List<CellRecord>> groups, Series series) {
    return Objects.requireNonNull(groups.get(series)).get(0);
  }

  private static @Nullable Pairing pair(
      Series series,
      Series base,
      List<CellRecord> cells,
      List<CellRecord> baseCells,
      Measure measure) {
    if (measure == Measure.SCORE
        && !Objects.equals(cells.get(0).verifier(), baseCells.get(0).verifier())) {
      return null; // scores of different verifiers have no common scale
    }
    Map<String, Double> theirs = Statistics.byPrompt(baseCells, measure);
    List<Double> differences = new ArrayList<>();
    Statistics.byPrompt(cells, measure)
        .forEach(
            (prompt, value) -> {
              Double other = theirs.get(prompt);
              if (other != null) {
                differences.add(value - other);
              }
            });
    return differences.isEmpty() ? null : new Pairing(series, base, measure, differences);
  }
}
