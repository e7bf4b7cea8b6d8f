package org.espalier.report;

import com.fasterxml.jackson.annotation.JsonUnwrapped;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.espalier.records.Amount;
import org.espalier.records.CellRecord;
import org.jspecify.annotations.Nullable;

/**
 * What the records of a study say, per arm, model and budget level.
 *
 * @param unit of the budgets
 * @param tolerance relative difference of spends up to which they count as equal
 * @param metric id of the evaluator, or null without one
 * @param rows per arm, model and level, in the study's order
 * @param comparisons of every arm with the baseline at the same level, by metric
 * @param tags categories in order, without the empty one
 */
public record Summary(
    String unit,
    double tolerance,
    @Nullable String metric,
    List<Row> rows,
    List<Comparison> comparisons,
    List<String> tags) {

  /** Strategies that do not search: what a search must beat. */
  private static final Set<String> REFERENCES = Set.of("single", "random");

  /** Strategies that mean to draw independent samples. */
  private static final Set<String> INDEPENDENT = Set.of("single", "random", "best-of-n");

  /** How a search is marked that was none: its budget sufficed for independent samples only. */
  private static final String FELL_BACK = "independent samples only";

  private static final double ALL_BUT_ROUNDING = 0.999;

  /**
   * One line.
   *
   * @param series arm, model and level
   * @param verifier id of what drove the searches, or null where the records do not say
   * @param reference {@code oracle} where the evaluator itself drove the searches, {@code
   *     reference} for a single and for random samples, {@code independent samples only} where
   *     every budget was too small to search, else null
   * @param limit the budget in its unit
   * @param counts of searches
   * @param metric of the answer, or null without evaluator
   * @param score by the search verifier, or null if all failed
   * @param byTag metric by category
   * @param spends mean spends with their intervals; empty if all failed
   * @param shares of time and operations
   * @param gap how far the verifier's score has run ahead of the metric since the arm's smallest
   *     budget; null without an evaluator or a second budget
   */
  public record Row(
      @JsonUnwrapped Series series,
      @Nullable String verifier,
      @Nullable String reference,
      double limit,
      @JsonUnwrapped Counts counts,
      PairedBootstrap.@Nullable Interval metric,
      PairedBootstrap.@Nullable Interval score,
      Map<String, PairedBootstrap.Interval> byTag,
      Map<Axis, PairedBootstrap.Interval> spends,
      @JsonUnwrapped Shares shares,
      @Nullable VerifierGap gap) {

    /** The arm's name, with what kind of reference it is. */
    public String label() {
      return reference == null ? series.arm() : series.arm() + " (" + reference + ")";
    }

    /**
     * A mean spend; 0 if all searches failed.
     *
     * @param axis of the spend
     */
    public double mean(Axis axis) {
      PairedBootstrap.Interval interval = spends.get(axis);
      return interval == null ? 0 : interval.mean();
    }
  }

  /**
   * How many searches.
   *
   * @param cells all, failed ones included
   * @param failed without an answer
   * @param evaluationFailed with an answer that the evaluator could not judge
   * @param failedVerdicts verdicts within searches that were failures
   */
  public record Counts(int cells, int failed, int evaluationFailed, long failedVerdicts) {}

  /**
   * Parts of a whole, in [0, 1].
   *
   * @param engineShare of the wall time outside native calls
   * @param verifierFlopsShare the search verifier's share of the operations
   * @param verifierSecondsShare the search verifier's share of the wall time
   */
  public record Shares(
      double engineShare, double verifierFlopsShare, double verifierSecondsShare) {}

  /**
   * Summarises records.
   *
   * @param records the cells in the study's order, in which arms, models and levels then appear
   * @param tolerance of equal compute
   */
  public static Summary of(Collection<CellRecord> records, double tolerance) {
    Map<Series, List<CellRecord>> groups = new LinkedHashMap<>();
    Set<String> tags = new LinkedHashSet<>();
    String unit = "flops";
    String metric = null;
    for (CellRecord record : records) {
      groups.computeIfAbsent(Series.of(record), any -> new ArrayList<>()).add(record);
      unit = record.budget().unit();
      if (!record.prompt().tag().isEmpty()) {
        tags.add(record.prompt().tag());
      }
      if (record instanceof CellRecord.Done done && !done.evaluation().answer().isEmpty()) {
        metric = done.evaluation().answer().get(0).evaluator();
      }
    }
    Axis limited = Axis.limitedBy(unit);
    List<Row> rows = new ArrayList<>();
    Map<Series, Double> spends = new LinkedHashMap<>();
    groups.forEach(
        (series, cells) -> {
          Row row = row(series, cells, tags, gap(groups, series));
          rows.add(row);
          spends.put(series, row.mean(limited));
        });
    return new Summary(
        unit,
        tolerance,
        metric,
        rows,
        Comparison.all(groups, spends, tolerance),
        List.copyOf(tags));
  }

  private static @Nullable VerifierGap gap(Map<Series, List<CellRecord>> groups, Series series) {
    List<List<CellRecord>> budgets =
        groups.entrySet().stream()
            .filter(other -> other.getKey().sameArm(series))
            .map(Map.Entry::getValue)
            .sorted(Comparator.comparingDouble(cells -> cells.get(0).budget().limit()))
            .toList();
    return budgets.size() == 1
        ? null
        : VerifierGap.of(budgets.get(0), groups.getOrDefault(series, List.of()));
  }

  private static Row row(
      Series series, List<CellRecord> cells, Set<String> tags, @Nullable VerifierGap gap) {
    List<CellRecord.Done> done = done(cells);
    Map<String, PairedBootstrap.Interval> byTag = new LinkedHashMap<>();
    for (String tag : tags) {
      PairedBootstrap.Interval interval =
          Statistics.interval(
              done.stream().filter(cell -> cell.prompt().tag().equals(tag)).toList(),
              Measure.METRIC);
      if (interval != null) {
        byTag.put(tag, interval);
      }
    }
    CellRecord first = cells.get(0);
    CellRecord.Driver driver = first.verifier();
    int unjudged =
        (int)
            done.stream()
                .filter(
                    cell ->
                        cell.metric() == null
                            && cell.evaluation().answer().stream()
                                .limit(1)
                                .anyMatch(judged -> judged.failed() != null))
                .count();
    return new Row(
        series,
        driver == null ? null : driver.id(),
        reference(first, done),
        first.budget().limit(),
        new Counts(cells.size(), cells.size() - done.size(), unjudged, failedVerdicts(cells)),
        Statistics.interval(done, Measure.METRIC),
        Statistics.interval(done, Measure.SCORE),
        byTag,
        Statistics.spends(done),
        shares(done),
        gap);
  }

  /** The searches that have an answer. */
  static List<CellRecord.Done> done(Collection<CellRecord> cells) {
    return cells.stream()
        .filter(CellRecord.Done.class::isInstance)
        .map(CellRecord.Done.class::cast)
        .toList();
  }

  private static long failedVerdicts(List<CellRecord> cells) {
    return cells.stream()
        .map(CellRecord::account)
        .filter(Objects::nonNull)
        .mapToLong(CellRecord.Account::failedVerdicts)
        .sum();
  }

  /** Whether no search of a strategy that searches did anything but draw independent samples. */
  private static boolean fellBack(List<CellRecord.Done> done) {
    return !done.isEmpty()
        && !INDEPENDENT.contains(done.get(0).strategy())
        && done.stream()
            .allMatch(
                cell -> {
                  CellRecord.Account account = cell.account();
                  return account != null && account.independent() > ALL_BUT_ROUNDING;
                });
  }

  private static @Nullable String reference(CellRecord cell, List<CellRecord.Done> done) {
    if (REFERENCES.contains(cell.strategy())) {
      return "reference";
    }
    if (fellBack(done)) {
      return FELL_BACK;
    }
    return cell.verifier() != null && cell.verifier().independence().equals("oracle")
        ? "oracle"
        : null;
  }

  private static Shares shares(List<CellRecord.Done> done) {
    double wall = 0;
    double engine = 0;
    double verifying = 0;
    double flops = 0;
    double verifierFlops = 0;
    for (CellRecord.Done cell : done) {
      wall += cell.seconds() * 1e9;
      engine += cell.time().engineNanos();
      verifying += cell.time().phaseNanos().getOrDefault("verify", 0L);
      flops += cell.axes().totalFlops();
      verifierFlops += cell.axes().verifierFlops();
    }
    return new Shares(share(engine, wall), share(verifierFlops, flops), share(verifying, wall));
  }

  private static double share(double part, double whole) {
    return whole > 0 ? part / whole : 0;
  }

  /**
   * The rows of a level.
   *
   * @param level the budget as written
   */
  public List<Row> at(String level) {
    return rows.stream().filter(row -> row.series().level().equals(level)).toList();
  }

  /** The levels in the study's order. */
  public List<String> levels() {
    return rows.stream().map(row -> row.series().level()).distinct().toList();
  }

  /**
   * Whether all rows of a level spent the same, within the tolerance.
   *
   * @param level the budget as written
   */
  public boolean equalCompute(String level) {
    double least = Double.POSITIVE_INFINITY;
    double most = 0;
    for (Row row : at(level)) {
      if (!row.spends().isEmpty()) {
        double spent = row.mean(Axis.limitedBy(unit));
        least = Math.min(least, spent);
        most = Math.max(most, spent);
      }
    }
    return most > 0 && most - least <= tolerance * most;
  }

  /**
   * The heading of a level's table; it says "equal compute" only where that is so.
   *
   * @param level the budget as written
   */
  public String heading(String level) {
    List<Row> lines = at(level);
    String budget = "Budget %s (%s %s)".formatted(level, Amount.brief(lines.get(0).limit()), unit);
    if (lines.size() == 1) {
      return budget;
    }
    if (lines.stream().allMatch(row -> row.spends().isEmpty())) {
      return budget + ": every search failed";
    }
    return equalCompute(level)
        ? budget + ", equal compute within %.0f %%".formatted(100 * tolerance)
        : budget
            + ": spends differ by more than %.0f %%, not an equal-compute comparison"
                .formatted(100 * tolerance);
  }
}
