package org.espalier.report;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.DoubleFunction;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import java.util.stream.Stream;
import org.apache.commons.math3.stat.inference.AlternativeHypothesis;
import org.apache.commons.math3.stat.inference.BinomialTest;
import org.apache.commons.math3.stat.inference.WilcoxonSignedRankTest;
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

  private static final Map<String, ToDoubleFunction<CellRecord>> SPENDS = new LinkedHashMap<>();

  static {
    SPENDS.put("nfe", c -> c.axes().nfe());
    SPENDS.put("flops", c -> c.axes().totalFlops());
    SPENDS.put("decodes", c -> c.axes().decodes());
    SPENDS.put("verifierCalls", c -> c.axes().verifierCalls());
    SPENDS.put("seconds", CellRecord::seconds);
    SPENDS.put("utilisation", c -> c.utilisation() == null ? 0 : c.utilisation());
  }

  /**
   * One line.
   *
   * @param arm what is compared
   * @param model name of the model
   * @param verifier id of what drove the searches, or null where the records do not say
   * @param reference {@code oracle} where the evaluator itself drove the searches, {@code
   *     reference} for a single and for random samples, else null
   * @param level the budget as written
   * @param limit the budget in its unit
   * @param cells searches, failed ones included
   * @param failed searches without an answer
   * @param evaluationFailed answers that the evaluator could not judge
   * @param metric of the answer, or null without evaluator
   * @param score by the search verifier, or null if all failed
   * @param byTag metric by category
   * @param nfe mean
   * @param rows mean rows through the network
   * @param tokens mean tokens through the network
   * @param flops mean, generator and verifiers together
   * @param decodes mean images
   * @param verifierCalls mean
   * @param seconds mean wall time
   * @param engineShare share of the wall time outside native calls
   * @param utilisation mean spent share of the budget
   * @param verifierFlopsShare the search verifier's share of the operations
   * @param verifierSecondsShare the search verifier's share of the wall time
   * @param gap how far the verifier's score has run ahead of the metric since the arm's smallest
   *     budget; null without an evaluator or a second budget
   * @param spends the means of nfe, flops, decodes, verifierCalls, seconds and utilisation with
   *     their intervals; empty if all failed
   */
  public record Row(
      String arm,
      String model,
      @Nullable String verifier,
      @Nullable String reference,
      String level,
      double limit,
      int cells,
      int failed,
      int evaluationFailed,
      PairedBootstrap.@Nullable Interval metric,
      PairedBootstrap.@Nullable Interval score,
      Map<String, PairedBootstrap.Interval> byTag,
      double nfe,
      double rows,
      double tokens,
      double flops,
      double decodes,
      double verifierCalls,
      double seconds,
      double engineShare,
      double utilisation,
      double verifierFlopsShare,
      double verifierSecondsShare,
      @Nullable VerifierGap gap,
      Map<String, PairedBootstrap.Interval> spends) {
    /** The line's name. */
    public String series() {
      return arm + " / " + model;
    }

    /** The arm's name, with what kind of reference it is. */
    public String label() {
      return reference == null ? arm : arm + " (" + reference + ")";
    }

    /**
     * A mean spend with half the width of its interval.
     *
     * @param name one of {@link #spends}
     * @param form writes a number
     */
    public String spend(String name, DoubleFunction<String> form) {
      PairedBootstrap.Interval interval = spends.get(name);
      return interval == null
          ? "-"
          : form.apply(interval.mean())
              + " \u00b1"
              + form.apply((interval.high() - interval.low()) / 2);
    }

    /** Mean spend in a budget's unit. */
    double spend(String unit) {
      return switch (unit) {
        case "nfe" -> nfe;
        case "samples" -> decodes;
        case "verifier_calls" -> verifierCalls;
        default -> flops;
      };
    }
  }

  /**
   * A paired comparison with the baseline, prompt by prompt.
   *
   * @param series what is compared
   * @param baseline with what
   * @param level at which budget
   * @param measure {@code metric} or {@code score}
   * @param difference mean and interval
   * @param wins prompts at which it is better
   * @param ties prompts at which both are equal
   * @param losses prompts at which it is worse
   * @param pValue two-sided: sign test for the metric, Wilcoxon signed-rank test for scores; 1
   *     where all are ties
   * @param adjusted Holm's correction over all comparisons of the same measure
   * @param equalCompute whether the mean spends differ by no more than the tolerance
   */
  public record Comparison(
      String series,
      String baseline,
      String level,
      String measure,
      PairedBootstrap.Interval difference,
      int wins,
      int ties,
      int losses,
      double pValue,
      double adjusted,
      boolean equalCompute) {}

  /** Strategies that do not search: what a search must beat. */
  private static final Set<String> REFERENCES = Set.of("single", "random");

  private record Series(String arm, String model, String level) {
    boolean sameArm(Series other) {
      return arm.equals(other.arm) && model.equals(other.model);
    }
  }

  /**
   * Summarises records.
   *
   * @param records the cells, in any order
   * @param order cell order of the study: arms, models and levels appear as here first
   * @param tolerance of equal compute
   */
  public static Summary of(
      Collection<CellRecord> records, List<CellRecord> order, double tolerance) {
    Map<Series, List<CellRecord>> groups = new LinkedHashMap<>();
    for (CellRecord record : order) {
      groups.computeIfAbsent(
          new Series(record.arm(), record.model(), record.level()), k -> new ArrayList<>());
    }
    for (CellRecord record : records) {
      groups
          .computeIfAbsent(
              new Series(record.arm(), record.model(), record.level()), k -> new ArrayList<>())
          .add(record);
    }
    groups.values().removeIf(List::isEmpty);
    Set<String> tags = new LinkedHashSet<>();
    String unit = "flops";
    String metric = null;
    for (CellRecord record : records) {
      unit = record.budget().unit();
      if (!record.prompt().tag().isEmpty()) {
        tags.add(record.prompt().tag());
      }
      if (record.evaluation() != null && !record.evaluation().answer().isEmpty()) {
        metric = record.evaluation().answer().get(0).evaluator();
      }
    }
    List<Row> rows = new ArrayList<>();
    groups.forEach(
        (series, cells) -> {
          List<CellRecord> smallest = smallest(groups, series);
          VerifierGap gap =
              smallest == cells && smallestOnly(groups, series)
                  ? null
                  : VerifierGap.of(smallest, cells);
          rows.add(row(series, cells, tags, gap));
        });
    return new Summary(
        unit,
        tolerance,
        metric,
        rows,
        comparisons(groups, rows, unit, tolerance),
        List.copyOf(tags));
  }

  /** Cells of the same arm and model, at its smallest budget. */
  private static List<CellRecord> smallest(Map<Series, List<CellRecord>> groups, Series series) {
    return groups.entrySet().stream()
        .filter(other -> other.getKey().sameArm(series))
        .map(Map.Entry::getValue)
        .min(Comparator.comparingDouble(cells -> cells.get(0).budget().limit()))
        .orElseThrow();
  }

  private static boolean smallestOnly(Map<Series, List<CellRecord>> groups, Series series) {
    return groups.keySet().stream().filter(series::sameArm).count() == 1;
  }

  private static Row row(
      Series series, List<CellRecord> cells, Set<String> tags, @Nullable VerifierGap gap) {
    List<CellRecord> done = cells.stream().filter(CellRecord::isDone).toList();
    Map<String, PairedBootstrap.Interval> byTag = new LinkedHashMap<>();
    for (String tag : tags) {
      List<Double> values =
          new ArrayList<>(
              byPrompt(
                      done.stream().filter(c -> c.prompt().tag().equals(tag)).toList(),
                      CellRecord::metric)
                  .values());
      if (!values.isEmpty()) {
        byTag.put(tag, PairedBootstrap.mean(values));
      }
    }
    double wall = done.stream().mapToDouble(CellRecord::seconds).sum();
    double engine =
        done.stream().mapToDouble(c -> c.time() == null ? 0 : c.time().engineNanos() * 1e-9).sum();
    CellRecord.Driver driver = cells.get(0).verifier();
    Map<String, PairedBootstrap.Interval> spends = spends(done);
    return new Row(
        series.arm(),
        series.model(),
        driver == null ? null : driver.id(),
        reference(cells.get(0)),
        series.level(),
        cells.get(0).budget().limit(),
        cells.size(),
        cells.size() - done.size(),
        (int)
            done.stream()
                .filter(
                    c ->
                        c.evaluation() != null
                            && !c.evaluation().answer().isEmpty()
                            && c.metric() == null)
                .count(),
        interval(done, CellRecord::metric),
        interval(done, CellRecord::score),
        byTag,
        mean(spends, "nfe"),
        done.stream().mapToDouble(c -> c.axes().rows()).average().orElse(0),
        done.stream().mapToDouble(c -> c.axes().tokens()).average().orElse(0),
        mean(spends, "flops"),
        mean(spends, "decodes"),
        mean(spends, "verifierCalls"),
        mean(spends, "seconds"),
        share(engine, wall),
        mean(spends, "utilisation"),
        share(
            done.stream().mapToDouble(c -> c.axes().verifierFlops()).sum(),
            done.stream().mapToDouble(c -> c.axes().totalFlops()).sum()),
        share(done.stream().mapToDouble(Summary::verifierSeconds).sum(), wall),
        gap,
        spends);
  }

  private static double mean(Map<String, PairedBootstrap.Interval> spends, String name) {
    PairedBootstrap.Interval interval = spends.get(name);
    return interval == null ? 0 : interval.mean();
  }

  private static Map<String, PairedBootstrap.Interval> spends(List<CellRecord> done) {
    Map<String, List<double[]>> byPrompt = new TreeMap<>();
    for (CellRecord c : done) {
      byPrompt
          .computeIfAbsent(c.prompt().id(), id -> new ArrayList<>())
          .add(SPENDS.values().stream().mapToDouble(spend -> spend.applyAsDouble(c)).toArray());
    }
    Map<String, PairedBootstrap.Interval> result = new LinkedHashMap<>();
    if (byPrompt.isEmpty()) {
      return result;
    }
    double[][] values = new double[byPrompt.size()][SPENDS.size()];
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
    for (String name : SPENDS.keySet()) {
      result.put(name, intervals.get(result.size()));
    }
    return result;
  }

  private static double share(double part, double whole) {
    return whole > 0 ? part / whole : 0;
  }

  private static double verifierSeconds(CellRecord cell) {
    CellRecord.Times time = cell.time();
    return time == null ? 0 : time.phaseNanos().getOrDefault("verify", 0L) * 1e-9;
  }

  private static @Nullable String reference(CellRecord cell) {
    if (REFERENCES.contains(cell.strategy())) {
      return "reference";
    }
    return cell.verifier() != null && cell.verifier().independence().equals("oracle")
        ? "oracle"
        : null;
  }

  private static PairedBootstrap.@Nullable Interval interval(
      List<CellRecord> cells, Function<CellRecord, @Nullable Double> value) {
    Map<String, Double> byPrompt = byPrompt(cells, value);
    return byPrompt.isEmpty() ? null : PairedBootstrap.mean(new ArrayList<>(byPrompt.values()));
  }

  /** The mean over seeds, by prompt id in sorted order. */
  static Map<String, Double> byPrompt(
      List<CellRecord> cells, Function<CellRecord, @Nullable Double> value) {
    Map<String, double[]> sums = new TreeMap<>();
    for (CellRecord cell : cells) {
      Double v = cell.isDone() ? value.apply(cell) : null;
      if (v != null) {
        double[] sum = sums.computeIfAbsent(cell.prompt().id(), k -> new double[2]);
        sum[0] += v;
        sum[1]++;
      }
    }
    Map<String, Double> result = new TreeMap<>();
    sums.forEach((id, sum) -> result.put(id, sum[0] / sum[1]));
    return result;
  }

  private static List<Comparison> comparisons(
      Map<Series, List<CellRecord>> groups, List<Row> rows, String unit, double tolerance) {
    if (rows.isEmpty()) {
      return List.of();
    }
    Map<String, Row> byName = new LinkedHashMap<>();
    rows.forEach(row -> byName.put(name(row.arm(), row.model(), row.level()), row));
    String arm = rows.get(0).arm();
    List<Comparison> result = new ArrayList<>();
    for (String measure : List.of("metric", "score")) {
      List<Comparison> raw = new ArrayList<>();
      groups.forEach(
          (series, cells) -> {
            Set<Series> bases = new LinkedHashSet<>();
            Series overall = baseline(groups, series, arm);
            if (overall != null) {
              bases.add(overall);
            }
            groups.keySet().stream()
                .filter(other -> other.level().equals(series.level()))
                .findFirst()
                .ifPresent(bases::add);
            bases.remove(series);
            for (Series base : bases) {
              Comparison comparison =
                  compare(series, base, cells, groups.getOrDefault(base, List.of()), measure);
              Row row = byName.get(name(series.arm(), series.model(), series.level()));
              Row other = byName.get(name(base.arm(), base.model(), base.level()));
              if (comparison != null && row != null && other != null) {
                double a = row.spend(unit);
                double b = other.spend(unit);
                boolean equal = Math.abs(a - b) <= tolerance * Math.max(a, b);
                raw.add(withCompute(comparison, equal));
              }
            }
          });
      result.addAll(holm(raw));
    }
    return result;
  }

  private static String name(String arm, String model, String level) {
    return arm + "\n" + model + "\n" + level;
  }

  /** The first arm on the same model, else on its first model; at the same level, else its last. */
  private static @Nullable Series baseline(
      Map<Series, List<CellRecord>> groups, Series series, String arm) {
    Series fallback = null;
    for (String model : List.of(series.model(), "")) {
      for (Series candidate : groups.keySet()) {
        if (candidate.arm().equals(arm) && (model.isEmpty() || candidate.model().equals(model))) {
          if (candidate.level().equals(series.level())) {
            return candidate;
          }
          fallback = fallback == null || model.equals(candidate.model()) ? candidate : fallback;
        }
      }
      if (fallback != null) {
        return fallback;
      }
    }
    return fallback;
  }

  private static @Nullable Comparison compare(
      Series series,
      Series base,
      List<CellRecord> cells,
      List<CellRecord> baseCells,
      String measure) {
    boolean metric = measure.equals("metric");
    if (!metric && !Objects.equals(cells.get(0).verifier(), baseCells.get(0).verifier())) {
      return null; // scores of different verifiers have no common scale
    }
    Function<CellRecord, @Nullable Double> value = metric ? CellRecord::metric : CellRecord::score;
    Map<String, Double> ours = byPrompt(cells, value);
    Map<String, Double> theirs = byPrompt(baseCells, value);
    List<Double> differences = new ArrayList<>();
    int wins = 0;
    int losses = 0;
    for (Map.Entry<String, Double> entry : ours.entrySet()) {
      Double other = theirs.get(entry.getKey());
      if (other != null) {
        double difference = entry.getValue() - other;
        differences.add(difference);
        wins += difference > 0 ? 1 : 0;
        losses += difference < 0 ? 1 : 0;
      }
    }
    if (differences.isEmpty()) {
      return null;
    }
    double p = metric ? sign(wins, losses) : wilcoxon(differences);
    return new Comparison(
        series.arm() + " / " + series.model(),
        base.arm()
            + " / "
            + base.model()
            + (base.level().equals(series.level()) ? "" : " @ " + base.level()),
        series.level(),
        measure,
        PairedBootstrap.mean(differences),
        wins,
        differences.size() - wins - losses,
        losses,
        p,
        p,
        false);
  }

  private static double sign(int wins, int losses) {
    // As many wins as losses: the library counts the middle twice and returns more than 1.
    return wins == losses
        ? 1
        : new BinomialTest()
            .binomialTest(wins + losses, wins, 0.5, AlternativeHypothesis.TWO_SIDED);
  }

  private static double wilcoxon(List<Double> differences) {
    double[] nonZero =
        differences.stream().mapToDouble(Double::doubleValue).filter(d -> d != 0).toArray();
    if (nonZero.length < 2) {
      return 1;
    }
    boolean exact = nonZero.length <= 20;
    return Math.min(
        1,
        new WilcoxonSignedRankTest()
            .wilcoxonSignedRankTest(nonZero, new double[nonZero.length], exact));
  }

  private static Comparison withCompute(Comparison c, boolean equal) {
    return new Comparison(
        c.series(),
        c.baseline(),
        c.level(),
        c.measure(),
        c.difference(),
        c.wins(),
        c.ties(),
        c.losses(),
        c.pValue(),
        c.adjusted(),
        equal);
  }

  /** Holm's step-down correction. */
  private static List<Comparison> holm(List<Comparison> raw) {
    List<Comparison> sorted = new ArrayList<>(raw);
    sorted.sort(java.util.Comparator.comparingDouble(Comparison::pValue));
    Map<Comparison, Double> adjusted = new java.util.IdentityHashMap<>();
    double largest = 0;
    for (int i = 0; i < sorted.size(); i++) {
      largest = Math.max(largest, Math.min(1, sorted.get(i).pValue() * (sorted.size() - i)));
      adjusted.put(sorted.get(i), largest);
    }
    List<Comparison> result = new ArrayList<>();
    for (Comparison c : raw) {
      result.add(
          new Comparison(
              c.series(),
              c.baseline(),
              c.level(),
              c.measure(),
              c.difference(),
              c.wins(),
              c.ties(),
              c.losses(),
              c.pValue(),
              adjusted.getOrDefault(c, 1.0),
              c.equalCompute()));
    }
    return result;
  }

  /**
   * Whether all rows of a level spent the same, within the tolerance.
   *
   * @param level the budget as written
   */
  public boolean equalCompute(String level) {
    double least = Double.POSITIVE_INFINITY;
    double most = 0;
    for (Row row : rows) {
      if (row.level().equals(level) && row.cells() > row.failed()) {
        least = Math.min(least, row.spend(unit));
        most = Math.max(most, row.spend(unit));
      }
    }
    return most == 0 || most - least <= tolerance * most;
  }

  /** The table as plain text. */
  public String text() {
    StringBuilder out = new StringBuilder();
    boolean verifiers = rows.stream().map(Row::verifier).distinct().count() > 1;
    Map<String, List<Row>> byLevel = new LinkedHashMap<>();
    rows.forEach(row -> byLevel.computeIfAbsent(row.level(), k -> new ArrayList<>()).add(row));
    byLevel.forEach(
        (level, lines) -> {
          out.append(heading(level, lines)).append('\n');
          List<List<String>> table = new ArrayList<>();
          table.add(
              line(
                  "arm",
                  "model",
                  verifiers ? "verifier" : null,
                  metric == null ? "metric" : metric,
                  "verifier score",
                  "nfe",
                  "FLOPs",
                  "images",
                  "calls",
                  "seconds",
                  "used",
                  "failed"));
          for (Row row : lines) {
            table.add(
                line(
                    row.label(),
                    row.model(),
                    verifiers ? Objects.requireNonNullElse(row.verifier(), "-") : null,
                    interval(row.metric(), 3),
                    interval(row.score(), 2),
                    row.spend("nfe", v -> Amount.brief(round(v))),
                    row.spend("flops", Amount::brief),
                    row.spend("decodes", v -> Amount.brief(round(v))),
                    row.spend("verifierCalls", v -> Amount.brief(round(v))),
                    row.spend("seconds", v -> String.format(Locale.ROOT, "%.3f", v)),
                    row.spend("utilisation", v -> String.format(Locale.ROOT, "%.0f %%", 100 * v)),
                    (row.failed() + row.evaluationFailed()) + "/" + row.cells()));
          }
          out.append(align(table)).append('\n');
        });
    if (rows.stream().anyMatch(row -> row.gap() != null)) {
      out.append(GAP).append('\n').append(align(gaps())).append('\n');
    }
    return out.toString();
  }

  /** What the table of {@link #gaps} shows, in a sentence. */
  public static final String GAP =
      "Verifier against metric: what either gained since the arm's smallest budget, in standard"
          + " deviations of its answers there; the gap is their difference, which is 0 for an oracle"
          + " and grows as search exploits the verifier";

  /** The verifier's share of the compute and its gap to the metric, headings first. */
  public List<List<String>> gaps() {
    List<List<String>> table = new ArrayList<>();
    table.add(
        List.of(
            "arm",
            "model",
            "budget",
            "verifier",
            "share of FLOPs",
            "of seconds",
            "score gain",
            "metric gain",
            "gap"));
    for (Row row : rows) {
      VerifierGap gap = row.gap();
      if (gap != null) {
        table.add(
            List.of(
                row.label(),
                row.model(),
                row.level(),
                Objects.requireNonNullElse(row.verifier(), "-"),
                String.format(Locale.ROOT, "%.1f %%", 100 * row.verifierFlopsShare()),
                String.format(Locale.ROOT, "%.1f %%", 100 * row.verifierSecondsShare()),
                interval(gap.score(), 2),
                interval(gap.metric(), 2),
                interval(gap.difference(), 2)));
      }
    }
    return table;
  }

  /** The metric by category, headings first; empty without categories or evaluator. */
  public List<List<String>> categories() {
    if (tags.isEmpty() || metric == null) {
      return List.of();
    }
    List<List<String>> table = new ArrayList<>();
    table.add(
        Stream.of(List.of("arm", "model", "budget"), tags, List.of("all prompts"))
            .flatMap(List::stream)
            .toList());
    for (Row row : rows) {
      List<String> line = new ArrayList<>(List.of(row.label(), row.model(), row.level()));
      tags.forEach(tag -> line.add(interval(row.byTag().get(tag), 2)));
      line.add(interval(row.metric(), 3));
      table.add(line);
    }
    return table;
  }

  /** The columns of a line that are there. */
  private static List<String> line(@Nullable String... columns) {
    return Stream.of(columns).filter(Objects::nonNull).map(Objects::requireNonNull).toList();
  }

  private static double round(double value) {
    return Math.round(value * 10) / 10.0;
  }

  /**
   * The heading of a level's table; it says "equal compute" only where that is so.
   *
   * @param level the budget as written
   * @param lines its rows
   */
  public String heading(String level, List<Row> lines) {
    String budget = "Budget %s (%s %s)".formatted(level, Amount.brief(lines.get(0).limit()), unit);
    if (lines.size() == 1) {
      return budget;
    }
    return equalCompute(level)
        ? budget + ", equal compute within %.0f %%".formatted(100 * tolerance)
        : budget
            + ": spends differ by more than %.0f %%, not an equal-compute comparison"
                .formatted(100 * tolerance);
  }

  /**
   * A mean with its 95 % interval, or a dash.
   *
   * @param interval or null
   * @param digits after the point
   */
  public static String interval(PairedBootstrap.@Nullable Interval interval, int digits) {
    if (interval == null) {
      return "-";
    }
    String number = "%." + digits + "f";
    return String.format(
        Locale.ROOT,
        number + " [" + number + ", " + number + "]",
        interval.mean(),
        interval.low(),
        interval.high());
  }

  private static String align(List<List<String>> table) {
    int columns = table.get(0).size();
    int[] widths = new int[columns];
    for (List<String> line : table) {
      for (int i = 0; i < columns; i++) {
        widths[i] = Math.max(widths[i], line.get(i).length());
      }
    }
    StringBuilder out = new StringBuilder();
    for (List<String> line : table) {
      for (int i = 0; i < columns; i++) {
        String cell = line.get(i);
        String pad = " ".repeat(widths[i] - cell.length());
        out.append(i == 0 ? "" : "  ").append(i < 2 ? cell + pad : pad + cell);
      }
      while (out.charAt(out.length() - 1) == ' ') {
        out.setLength(out.length() - 1);
      }
      out.append('\n');
    }
    return out.toString();
  }
}
