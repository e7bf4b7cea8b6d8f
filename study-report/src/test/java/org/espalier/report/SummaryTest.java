package org.espalier.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.espalier.records.CellRecord;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** Statistics on records whose answers are known. */
class SummaryTest {
  private static final CellRecord.Images IMAGES = new CellRecord.Images("a.png", "", null);

  private static CellRecord.Done cell(
      String arm, int prompt, long seed, @Nullable Double metric, double spent) {
    return cell(
        arm, "search", new CellRecord.Driver("v", "1", "independent"), prompt, seed, metric, spent);
  }

  private static CellRecord.Done cell(
      String arm,
      String strategy,
      CellRecord.@Nullable Driver verifier,
      int prompt,
      long seed,
      @Nullable Double metric,
      double spent) {
    return new CellRecord.Done(
        new CellRecord.Task(
            1,
            arm + prompt + seed,
            "s",
            arm,
            strategy,
            "m",
            verifier,
            new CellRecord.PromptText("p" + prompt, prompt % 2 == 0 ? "even" : "odd", "t"),
            seed,
            "4x",
            new CellRecord.Limits("flops", 100, Map.of())),
        new CellRecord.Spent(
            new CellRecord.Axes(4, 4, 4, (long) spent, 1, 1, 0), Map.of(), spent / 100, null),
        found(metric == null ? 0 : metric),
        IMAGES,
        null,
        new CellRecord.Evaluation(
            List.of(new CellRecord.Judged("judge", metric, null, metric == null ? "no" : null)),
            List.of(),
            CellRecord.Axes.ZERO),
        List.of(),
        CellRecord.Times.NONE);
  }

  private static CellRecord.Found found(double score) {
    return new CellRecord.Found("finished", score, Map.of(), score, 0, 0);
  }

  private static Summary summary(List<CellRecord> cells) {
    return Summary.of(cells, 0.05);
  }

  @Test
  void aConstantHasAnIntervalOfNoWidth() {
    PairedBootstrap.Interval interval = PairedBootstrap.mean(List.of(0.5, 0.5, 0.5));
    assertThat(interval).isEqualTo(new PairedBootstrap.Interval(0.5, 0.5, 0.5, 3));
  }

  @Test
  void theIntervalOfACoinIsNearTheNormalOne() {
    List<Double> values = new ArrayList<>();
    for (int i = 0; i < 400; i++) {
      values.add((double) (i % 2));
    }
    PairedBootstrap.Interval interval = PairedBootstrap.mean(values);
    double half = 1.96 * 0.5 / Math.sqrt(400);
    assertThat(interval.low()).isCloseTo(0.5 - half, within(0.006));
    assertThat(interval.high()).isCloseTo(0.5 + half, within(0.006));
  }

  @Test
  void seedsAreClusteredByPrompt() {
    // Copies of a prompt's answer are no further evidence: the interval must not shrink.
    List<CellRecord> one = new ArrayList<>();
    List<CellRecord> many = new ArrayList<>();
    for (int p = 0; p < 10; p++) {
      one.add(cell("a", p, 0, (double) (p % 2), 90));
      for (int seed = 0; seed < 5; seed++) {
        many.add(cell("a", p, seed, (double) (p % 2), 90));
      }
    }
    assertThat(summary(many).rows().get(0).metric()).isEqualTo(summary(one).rows().get(0).metric());
    assertThat(summary(many).rows().get(0).counts().cells()).isEqualTo(50);
  }

  @Test
  void winsTiesLossesAndTheSignTest() {
    List<CellRecord> cells = new ArrayList<>();
    for (int p = 0; p < 8; p++) {
      cells.add(cell("base", p, 0, p < 2 ? 1.0 : 0.0, 90));
      cells.add(cell("ours", p, 0, p < 7 ? 1.0 : 0.0, 92));
    }
    Comparison comparison =
        summary(cells).comparisons().stream()
            .filter(c -> c.measure() == Measure.METRIC)
            .findFirst()
            .orElseThrow();
    assertThat(comparison.wins()).isEqualTo(5);
    assertThat(comparison.ties()).isEqualTo(3);
    assertThat(comparison.losses()).isZero();
    assertThat(comparison.pValue()).isCloseTo(2 * Math.pow(0.5, 5), within(1e-12));
    assertThat(comparison.equalCompute()).isTrue();
    assertThat(comparison.difference().mean()).isCloseTo(0.625, within(1e-12));
  }

  @Test
  void asManyWinsAsLossesHaveThePValueOne() {
    List<CellRecord> cells = new ArrayList<>();
    for (int p = 0; p < 4; p++) {
      cells.add(cell("base", p, 0, p < 2 ? 1.0 : 0.0, 90));
      cells.add(cell("ours", p, 0, p < 2 ? 0.0 : 1.0, 90));
    }
    assertThat(summary(cells).comparisons())
        .filteredOn(c -> c.measure() == Measure.METRIC)
        .extracting(Comparison::wins, Comparison::losses, c -> c.pValue())
        .containsExactly(tuple(2, 2, 1.0));
  }

  @Test
  void holmMultipliesTheSmallestPValueByTheNumberOfComparisons() {
    List<CellRecord> cells = new ArrayList<>();
    for (int p = 0; p < 8; p++) {
      cells.add(cell("base", p, 0, 0.0, 90));
      cells.add(cell("strong", p, 0, 1.0, 90));
      cells.add(cell("weak", p, 0, p < 4 ? 1.0 : 0.0, 90));
    }
    List<Comparison> metric =
        summary(cells).comparisons().stream().filter(c -> c.measure() == Measure.METRIC).toList();
    assertThat(metric).hasSize(2);
    assertThat(metric.get(0).pValue()).isCloseTo(2.0 / 256, within(1e-12));
    assertThat(metric.get(0).adjusted()).isCloseTo(4.0 / 256, within(1e-12));
    assertThat(metric.get(1).adjusted()).isCloseTo(0.125, within(1e-12));
  }

  @Test
  void referencesAreLabelledAndScoresOfDifferentVerifiersAreNotCompared() {
    CellRecord.Driver study = new CellRecord.Driver("v", "1", "independent");
    CellRecord.Driver oracle = new CellRecord.Driver("judge", "2", "oracle");
    List<CellRecord> cells = new ArrayList<>();
    for (int p = 0; p < 4; p++) {
      cells.add(cell("alone", "single", study, p, 0, 0.0, 90));
      cells.add(cell("ours", "beam", study, p, 0, 0.5, 90));
      cells.add(cell("best", "best-of-n", oracle, p, 0, 1.0, 90));
    }
    Summary summary = summary(cells);
    assertThat(summary.rows())
        .extracting(Summary.Row::reference)
        .containsExactly("reference", null, "oracle");
    assertThat(SummaryTables.text(summary))
        .contains("alone (reference)", "best (oracle)", "verifier", "judge")
        .doesNotContain("ours (");
    assertThat(summary.comparisons())
        .filteredOn(c -> c.measure() == Measure.SCORE)
        .extracting(Comparison::series)
        .containsExactly("ours / m");
    assertThat(summary.comparisons())
        .filteredOn(c -> c.measure() == Measure.METRIC)
        .extracting(Comparison::series, Comparison::baseline)
        .containsExactly(tuple("ours / m", "alone / m"));
  }

  @Test
  void theBaselineIsBestOfNOnTheSameModelAtTheSameLevel() {
    List<CellRecord> cells = new ArrayList<>();
    for (int p = 0; p < 4; p++) {
      for (String model : List.of("var", "flow")) {
        cells.add(on(model, cell("alone", "single", null, p, 0, 0.0, 10)));
        cells.add(on(model, cell("best", "best-of-n", null, p, 0, 0.5, 90)));
        cells.add(on(model, cell("ours", "beam", null, p, 0, 1.0, 90)));
      }
    }
    assertThat(summary(cells).comparisons())
        .filteredOn(c -> c.measure() == Measure.METRIC)
        .extracting(Comparison::series, Comparison::baseline)
        .containsExactlyInAnyOrder(
            tuple("alone / var", "best / var"),
            tuple("ours / var", "best / var"),
            tuple("alone / flow", "best / flow"),
            tuple("ours / flow", "best / flow"),
            tuple("alone / flow", "alone / var"),
            tuple("best / flow", "best / var"),
            tuple("ours / flow", "ours / var"));
  }

  private static CellRecord on(String model, CellRecord.Done cell) {
    CellRecord.Task t = cell.task();
    return new CellRecord.Done(
        new CellRecord.Task(
            t.schema(),
            t.cell() + model,
            t.study(),
            t.arm(),
            t.strategy(),
            model,
            t.verifier(),
            t.prompt(),
            t.seed(),
            t.level(),
            t.budget()),
        cell.spent(),
        cell.found(),
        cell.images(),
        cell.tree(),
        cell.evaluation(),
        cell.curve(),
        cell.time());
  }

  @Test
  void meansOfScoresNearTheLimitOfDoublesAreFinite() {
    PairedBootstrap.Interval interval = PairedBootstrap.mean(List.of(1.7e308, 1.6e308, 1.5e308));
    assertThat(interval.mean()).isCloseTo(1.6e308, within(1e294));
    assertThat(interval.low()).isBetween(1.5e308, interval.mean());
    assertThat(interval.high()).isBetween(interval.mean(), 1.7e308);
  }

  @Test
  void equalComputeNeedsCompute() {
    List<CellRecord> cells = new ArrayList<>();
    for (int p = 0; p < 4; p++) {
      cells.add(cell("a", p, 0, 0.0, 0));
      cells.add(cell("b", p, 0, 1.0, 0));
    }
    assertThat(SummaryTables.text(summary(cells))).doesNotContain("equal compute within");
  }

  @Test
  void unequalSpendsAreNeverHeadedEqualCompute() {
    List<CellRecord> cells = new ArrayList<>();
    for (int p = 0; p < 4; p++) {
      cells.add(cell("a", p, 0, 0.0, 90));
      cells.add(cell("b", p, 0, 1.0, 60));
    }
    assertThat(SummaryTables.text(summary(cells))).contains("not an equal-compute comparison");
    List<CellRecord> equal = new ArrayList<>();
    for (int p = 0; p < 4; p++) {
      equal.add(cell("a", p, 0, 0.0, 90));
      equal.add(cell("b", p, 0, 1.0, 88));
    }
    assertThat(SummaryTables.text(summary(equal))).contains("equal compute within 5 %");
  }

  @Test
  void failedVerdictsAreInNoMeanButInTheCount() {
    List<CellRecord> cells = new ArrayList<>();
    cells.add(cell("a", 0, 0, 1.0, 90));
    cells.add(cell("a", 1, 0, null, 90));
    Summary.Row row = summary(cells).rows().get(0);
    assertThat(row.metric()).isNotNull();
    assertThat(row.counts().evaluationFailed()).isEqualTo(1);
    assertThat(row.metric())
        .as("one prompt has no interval")
        .isEqualTo(new PairedBootstrap.Interval(1, Double.NaN, Double.NaN, 1));
  }

  private static CellRecord searched(
      String arm, int prompt, double limit, double score, double metric) {
    return new CellRecord.Done(
        new CellRecord.Task(
            1,
            arm + prompt + limit,
            "s",
            arm,
            "search",
            "m",
            new CellRecord.Driver("v", "1", "independent"),
            new CellRecord.PromptText("p" + prompt, "", "t"),
            0,
            limit + "x",
            new CellRecord.Limits("flops", limit, Map.of())),
        new CellRecord.Spent(new CellRecord.Axes(4, 4, 4, 30, 1, 1, 10), Map.of(), 1.0, null),
        found(score),
        IMAGES,
        null,
        new CellRecord.Evaluation(
            List.of(new CellRecord.Judged("judge", metric, null, null)),
            List.of(),
            CellRecord.Axes.ZERO),
        List.of(),
        new CellRecord.Times(
            "", 1000, 0, 0, Map.of("verify", 200L, "generate", 700L), List.of(), null, null));
  }

  @Test
  void theGapIsWhatAVerifierGainsBeyondTheMetric() {
    List<CellRecord> cells = new ArrayList<>();
    for (int prompt = 0; prompt < 4; prompt++) {
      double metric = prompt % 2; // deviation 0.5
      double better = 1; // gains 0.5 on average: one deviation
      cells.add(searched("oracle", prompt, 1, metric, metric));
      cells.add(searched("oracle", prompt, 2, better, better));
      cells.add(searched("hacked", prompt, 1, 10 * metric, metric)); // deviation 5
      cells.add(searched("hacked", prompt, 2, 10 * metric + 15, better)); // three deviations
      cells.add(searched("alone", prompt, 1, metric, metric));
      cells.add(searched("constant", prompt, 1, 7, metric));
      cells.add(searched("constant", prompt, 2, 8, better));
    }
    List<Summary.Row> rows = summary(cells).rows();
    assertThat(rows)
        .extracting(row -> row.series().arm() + " " + row.series().level())
        .containsExactly(
            "oracle 1.0x",
            "oracle 2.0x",
            "hacked 1.0x",
            "hacked 2.0x",
            "alone 1.0x",
            "constant 1.0x",
            "constant 2.0x");
    assertThat(gap(rows.get(0)).difference().mean()).isZero();
    assertThat(gap(rows.get(1)).score().mean()).isCloseTo(1, within(1e-12));
    assertThat(gap(rows.get(1)).difference()).isEqualTo(new PairedBootstrap.Interval(0, 0, 0, 4));
    assertThat(gap(rows.get(3)).score().mean()).isCloseTo(3, within(1e-12));
    assertThat(gap(rows.get(3)).metric().mean()).isCloseTo(1, within(1e-12));
    assertThat(gap(rows.get(3)).difference().mean()).isCloseTo(2, within(1e-12));
    assertThat(rows.get(4).gap()).as("one budget only").isNull();
    assertThat(rows.get(6).gap()).as("scores that do not vary").isNull();
    assertThat(rows.get(0).shares().verifierFlopsShare()).isEqualTo(0.25);
    assertThat(rows.get(0).shares().verifierSecondsShare()).isCloseTo(0.2, within(1e-12));
    assertThat(SummaryTables.text(summary(cells)))
        .contains("Verifier against metric")
        .contains("20.0 %");
    assertThat(SummaryTables.categories(summary(cells)).lines()).isEmpty();
  }

  private static VerifierGap gap(Summary.Row row) {
    return Objects.requireNonNull(row.gap());
  }
}
