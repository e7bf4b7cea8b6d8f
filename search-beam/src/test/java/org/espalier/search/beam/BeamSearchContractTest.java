package org.espalier.search.beam;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.espalier.api.AutoInt;
import org.espalier.api.EspalierException;
import org.espalier.api.SearchStrategy;
import org.espalier.compute.Cost;
import org.espalier.testkit.SearchRun;
import org.espalier.testkit.SearchTestKit;
import org.espalier.testkit.StrategyContract;
import org.espalier.testkit.ToyScaleModel;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

class BeamSearchContractTest extends StrategyContract {
  @Override
  protected SearchStrategy strategy() {
    return beam(BeamSearchConfig.of(2, AutoInt.AUTO, Preview.ROLLOUT));
  }

  @Override
  protected double beatsRandomAt() {
    return 170;
  }

  @Test
  void costsWhatThePaperCounts() {
    for (int[] wc : List.of(new int[] {3, 5}, new int[] {5, 3}, new int[] {1, 15})) {
      SearchRun run = beam(wc[0], wc[1]).run().hasSpent(1365, 195).balances();
      assertThat(run.outcome().curve()).isNotEmpty();
    }
    beam(6, 5).run().hasSpent(2730, 390);
    SearchTestKit.strategy(
            "greedy",
            new GreedySearchConfig(
                AutoInt.of(15), AutoInt.AUTO, Preview.ROLLOUT, 2, 1, Answer.BEST))
        .run()
        .hasSpent(1365, 195);
  }

  @Test
  void siblingsShareTheirEvaluation() {
    ToyScaleModel model = new ToyScaleModel();
    SearchTestKit kit = beam(3, 5).model(model);
    Cost sample = kit.sampleCost();
    Cost spent = kit.run().spent();
    // 1365 evaluations by the published convention would be 105 samples' rows.
    assertThat(spent.rows()).isLessThan(105 * (sample.rows() - 1));
    assertThat(spent.tokens()).isLessThan(195 * sample.tokens());
    // Scale 1 for 15 roots, then roll-outs only: they have evaluated every parent that is kept.
    assertThat(spent.rows() - 1).isEqualTo(2 * 15 * (1 + 12 * 13 / 2));
  }

  @Test
  void sizesItsCandidatesFromTheBudget() {
    for (Preview preview : Preview.values()) {
      for (long limit : new long[] {1365, 2730}) {
        SearchRun run =
            SearchTestKit.strategy(beam(BeamSearchConfig.of(3, AutoInt.AUTO, preview)))
                .nfe(limit)
                .run()
                .balances();
        assertThat(run.outcome().stop().name()).isEqualTo("FINISHED");
        assertThat(run.utilisation()).as(preview + " of " + limit).isGreaterThan(0.75);
      }
    }
    SearchTestKit.strategy(beam(BeamSearchConfig.of(3, AutoInt.AUTO, Preview.ROLLOUT)))
        .nfe(1365)
        .run()
        .hasSpent(1365, 195);
  }

  @Test
  void searchesOnlyTheFirstStepsWhenAsked() {
    BeamSearchConfig config =
        new BeamSearchConfig(3, AutoInt.of(5), AutoInt.of(6), Preview.ROLLOUT, 2, 1, Answer.FINAL);
    SearchTestKit.strategy(beam(config)).run().hasSpent(15 * 63, 90);
  }

  @Test
  void previewsCostNoRollOut() {
    BeamSearchConfig config =
        new BeamSearchConfig(3, AutoInt.of(5), AutoInt.AUTO, Preview.PARTIAL, 2, 4, Answer.BEST);
    // 15 samples advance 4 scales, then 15 candidates at each of 9 scales.
    SearchTestKit.strategy(beam(config)).run().hasSpent(15 * 13, 15 * 10);
  }

  @Test
  void refusesAWidthBelowOne() {
    assertThatThrownBy(() -> BeamSearchConfig.of(0, AutoInt.AUTO, Preview.ROLLOUT))
        .isInstanceOf(EspalierException.class)
        .hasMessage(
            "[CONFIG] The beam width (0) must be positive.\nMaybe set strategy.width >= 1.");
    assertThatThrownBy(() -> BeamSearchConfig.of(1, AutoInt.of(0), Preview.ROLLOUT))
        .hasMessageContaining("number of candidates (0)");
  }

  @Test
  void decisionPointsCostTheirRollOutsOnly() {
    // 15 whole samples of 13 scales, then 15 from scale 3, 6 and 8 on; an elite costs nothing.
    for (boolean elite : new boolean[] {false, true}) {
      SearchTestKit.strategy(beam(config(3, 5, elite, List.of(3, 6, 8))))
          .run()
          .hasSpent(15 * (13 + 10 + 7 + 5), 60)
          .balances();
      SearchTestKit.strategy(beam(config(3, 5, elite, List.of()))).run().hasSpent(1365, 195);
    }
    // The last decision point may be the step before the end.
    SearchTestKit.strategy(beam(config(2, 2, true, List.of(12)))).run().hasSpent(4 * 14, 8);
  }

  /** With an elite nothing that was found is lost: the last population holds the best image. */
  @Test
  void anEliteKeepsWhatWasFound() {
    for (List<Integer> at : List.of(List.<Integer>of(), List.of(3, 6, 8))) {
      BeamSearchConfig elite = config(2, 3, true, at);
      BeamSearchConfig last =
          new BeamSearchConfig(
              2, AutoInt.of(3), AutoInt.AUTO, Preview.ROLLOUT, 2, 1, Answer.FINAL, true, at);
      assertThat(SearchTestKit.strategy(beam(last)).run().score())
          .isEqualTo(SearchTestKit.strategy(beam(elite)).run().score());
    }
  }

  @Test
  void refusesDecisionPointsThatMeanNothing() {
    assertThatThrownBy(() -> config(3, 5, false, List.of(3, 3)))
        .hasMessage(
            "[CONFIG] The decision points [3, 3] are not positive and increasing.\n"
                + "Maybe set strategy.at: [3, 6, 8].");
    assertThatThrownBy(
            () -> SearchTestKit.strategy(beam(config(3, 5, false, List.of(3, 13)))).run())
        .hasMessage(
            "[CONFIG] The decision point (13) is not below the model's 13 steps.\n"
                + "Maybe set the last of strategy.at to at most 12.");
    assertThatThrownBy(
            () ->
                new BeamSearchConfig(
                    3,
                    AutoInt.AUTO,
                    AutoInt.AUTO,
                    Preview.PARTIAL,
                    2,
                    1,
                    Answer.BEST,
                    true,
                    List.of()))
        .hasMessage(
            "[CONFIG] An elite needs finished images, which preview: partial does not make.\n"
                + "Maybe set strategy.preview: rollout, or leave strategy.elite out.");
    assertThatThrownBy(
            () ->
                new BeamSearchConfig(
                    3,
                    AutoInt.AUTO,
                    AutoInt.of(6),
                    Preview.ROLLOUT,
                    2,
                    1,
                    Answer.BEST,
                    false,
                    List.of(3)))
        .hasMessageContaining("[3] leave no room for searchedSteps");
  }

  private static BeamSearchConfig config(
      int width, int candidates, boolean elite, List<Integer> at) {
    return new BeamSearchConfig(
        width, AutoInt.of(candidates), AutoInt.AUTO, Preview.ROLLOUT, 2, 1, Answer.BEST, elite, at);
  }

  private static SearchStrategy beam(BeamSearchConfig config) {
    return new BeamSearchProvider().create(config);
  }

  private static SearchTestKit beam(int width, int candidates) {
    return SearchTestKit.strategy(
        "beam", BeamSearchConfig.of(width, AutoInt.of(candidates), Preview.ROLLOUT));
  }

  @Nested
  class Elite extends StrategyContract {
    @Override
    protected SearchStrategy strategy() {
      return beam(
          new BeamSearchConfig(
              2, AutoInt.AUTO, AutoInt.AUTO, Preview.ROLLOUT, 2, 1, Answer.BEST, true, List.of()));
    }
  }

  @Nested
  class EliteAtDecisionPoints extends StrategyContract {
    @Override
    protected SearchStrategy strategy() {
      return beam(
          new BeamSearchConfig(
              2,
              AutoInt.AUTO,
              AutoInt.AUTO,
              Preview.ROLLOUT,
              2,
              1,
              Answer.BEST,
              true,
              List.of(1, 2)));
    }

    /** Two early decision points of six: it needs what the beam at every step needs. */
    @Override
    protected double beatsRandomAt() {
      return 170;
    }
  }

  @Nested
  class Partial extends StrategyContract {
    @Override
    protected SearchStrategy strategy() {
      return beam(BeamSearchConfig.of(3, AutoInt.AUTO, Preview.PARTIAL));
    }
  }

  @Nested
  class Lookahead extends StrategyContract {
    @Override
    protected SearchStrategy strategy() {
      return beam(
          new BeamSearchConfig(
              2, AutoInt.AUTO, AutoInt.AUTO, Preview.LOOKAHEAD, 2, 1, Answer.FINAL));
    }

    /** The answer is of the last population: further samples could not change it. */
    @Override
    protected boolean spendsAll() {
      return false;
    }
  }

  @Nested
  class Greedy extends StrategyContract {
    @Override
    protected SearchStrategy strategy() {
      return new GreedySearchProvider()
          .create(
              new GreedySearchConfig(
                  AutoInt.AUTO, AutoInt.AUTO, Preview.PARTIAL, 2, 2, Answer.BEST));
    }
  }
}
