package org.espalier.report;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.function.DoubleFunction;
import java.util.stream.Stream;
import org.espalier.records.Amount;
import org.jspecify.annotations.Nullable;

/** The tables of a summary. */
public final class SummaryTables {
  private static final String GAP =
      "Verifier against metric: what either gained since the arm's smallest budget, in standard"
          + " deviations of its answers there; the gap is their difference, which is 0 for an oracle"
          + " and grows as search exploits the verifier";

  /** From here on a number is written with an exponent. */
  private static final double LONG_NUMBER = 1e9;

  private SummaryTables() {}

  /**
   * All tables as plain text: one per level, then the verifier against the metric.
   *
   * @param summary of a study
   */
  public static String text(Summary summary) {
    StringBuilder out = new StringBuilder();
    summary.levels().forEach(level -> out.append(level(summary, level).text()).append('\n'));
    Table gaps = gaps(summary);
    return out.append(gaps.lines().isEmpty() ? "" : gaps.text() + "\n").toString();
  }

  /**
   * The arms at one budget, for a terminal.
   *
   * @param summary of a study
   * @param level the budget as written
   */
  static Table level(Summary summary, String level) {
    boolean verifiers = summary.rows().stream().map(Summary.Row::verifier).distinct().count() > 1;
    List<List<String>> lines = new ArrayList<>();
    for (Summary.Row row : summary.at(level)) {
      lines.add(
          line(
              row.label(),
              row.series().model(),
              verifiers ? Objects.requireNonNullElse(row.verifier(), "-") : null,
              interval(row.metric(), 3),
              interval(row.score(), 2),
              spend(row, Axis.NFE, v -> Amount.brief(round(v))),
              spend(row, Axis.FLOPS, Amount::brief),
              spend(row, Axis.DECODES, v -> Amount.brief(round(v))),
              calls(row, v -> Amount.brief(round(v))),
              spend(row, Axis.SECONDS, v -> number(v, 3)),
              spend(row, Axis.UTILISATION, v -> number(100 * v, 0) + " %"),
              row.counts().failed()
                  + row.counts().evaluationFailed()
                  + "/"
                  + row.counts().cells()));
    }
    return new Table(
        summary.heading(level),
        2,
        line(
            "arm",
            "model",
            verifiers ? "verifier" : null,
            Objects.requireNonNullElse(summary.metric(), "metric"),
            "verifier score",
            "nfe",
            "FLOPs",
            "images",
            "calls",
            "seconds",
            "used",
            "failed"),
        lines);
  }

  /**
   * All arms at all budgets, for a document.
   *
   * @param summary of a study
   */
  static Table all(Summary summary) {
    List<List<String>> lines = new ArrayList<>();
    for (Summary.Row row : summary.rows()) {
      lines.add(
          List.of(
              row.label(),
              row.series().model(),
              row.series().level(),
              interval(row.metric(), 3),
              interval(row.score(), 3),
              spend(row, Axis.NFE, v -> number(v, 1)),
              spend(row, Axis.FLOPS, Amount::brief),
              spend(row, Axis.DECODES, v -> number(v, 1)),
              calls(row, v -> number(v, 1)),
              spend(row, Axis.SECONDS, v -> number(v, 3)),
              spend(row, Axis.UTILISATION, v -> number(100 * v, 0) + " %")));
    }
    return new Table(
        "",
        3,
        List.of(
            "arm",
            "model",
            "budget",
            Objects.requireNonNullElse(summary.metric(), "metric"),
            "verifier score",
            "nfe",
            "FLOPs",
            "images",
            "calls",
            "seconds",
            "used"),
        lines);
  }

  /**
   * The verifier's share of the compute and its gap to the metric; no line without a gap.
   *
   * @param summary of a study
   */
  static Table gaps(Summary summary) {
    List<List<String>> lines = new ArrayList<>();
    for (Summary.Row row : summary.rows()) {
      VerifierGap gap = row.gap();
      if (gap != null) {
        lines.add(
            List.of(
                row.label(),
                row.series().model(),
                row.series().level(),
                Objects.requireNonNullElse(row.verifier(), "-"),
                number(100 * row.shares().verifierFlopsShare(), 1) + " %",
                number(100 * row.shares().verifierSecondsShare(), 1) + " %",
                interval(gap.score(), 2),
                interval(gap.metric(), 2),
                interval(gap.difference(), 2)));
      }
    }
    return new Table(
        GAP,
        3,
        List.of(
            "arm",
            "model",
            "budget",
            "verifier",
            "share of FLOPs",
            "of seconds",
            "score gain",
            "metric gain",
            "gap"),
        lines);
  }

  /**
   * The metric by category; no line without categories or evaluator.
   *
   * @param summary of a study
   */
  static Table categories(Summary summary) {
    List<List<String>> lines = new ArrayList<>();
    if (!summary.tags().isEmpty() && summary.metric() != null) {
      for (Summary.Row row : summary.rows()) {
        Series series = row.series();
        List<String> line = new ArrayList<>(List.of(row.label(), series.model(), series.level()));
        summary.tags().forEach(tag -> line.add(interval(row.byTag().get(tag), 2)));
        line.add(interval(row.metric(), 3));
        lines.add(line);
      }
    }
    return new Table(
        "By category",
        3,
        Stream.of(List.of("arm", "model", "budget"), summary.tags(), List.of("all prompts"))
            .flatMap(List::stream)
            .toList(),
        lines);
  }

  /** The columns of a line that are there. */
  private static List<String> line(@Nullable String... columns) {
    return Stream.of(columns).filter(Objects::nonNull).map(Objects::requireNonNull).toList();
  }

  private static double round(double value) {
    return Math.round(value * 10) / 10.0;
  }

  private static String number(double value, int digits) {
    if (Math.abs(value) >= LONG_NUMBER) {
      return String.format(Locale.ROOT, "%.4g", value);
    }
    return String.format(Locale.ROOT, "%." + digits + "f", value);
  }

  /** Verifier calls, with the failed ones of all searches where there are some. */
  private static String calls(Summary.Row row, DoubleFunction<String> form) {
    long failed = row.counts().failedVerdicts();
    return spend(row, Axis.VERIFIER_CALLS, form) + (failed == 0 ? "" : " (" + failed + " failed)");
  }

  /** A mean spend with half the width of its interval. */
  private static String spend(Summary.Row row, Axis axis, DoubleFunction<String> form) {
    PairedBootstrap.Interval interval = row.spends().get(axis);
    if (interval == null) {
      return "-";
    }
    return !interval.isBounded()
        ? form.apply(interval.mean())
        : form.apply(interval.mean())
            + " \u00b1"
            + form.apply((interval.high() - interval.low()) / 2);
  }

  /**
   * A mean with its 95 % interval, or a dash.
   *
   * @param interval or null
   * @param digits after the point
   */
  static String interval(PairedBootstrap.@Nullable Interval interval, int digits) {
    if (interval == null) {
      return "-";
    }
    return !interval.isBounded()
        ? number(interval.mean(), digits) + " [-]"
        : "%s [%s, %s]"
            .formatted(
                number(interval.mean(), digits),
                number(interval.low(), digits),
                number(interval.high(), digits));
  }
}
