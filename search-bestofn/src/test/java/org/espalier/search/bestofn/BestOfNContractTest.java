package org.espalier.search.bestofn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.espalier.api.AutoInt;
import org.espalier.api.EspalierException;
import org.espalier.api.SearchStrategy;
import org.espalier.engine.SearchOutcome;
import org.espalier.testkit.ReferenceRandomSearch;
import org.espalier.testkit.SearchRun;
import org.espalier.testkit.SearchTestKit;
import org.espalier.testkit.StrategyContract;
import org.espalier.testkit.ToyScaleModel;
import org.junit.jupiter.api.Test;

class BestOfNContractTest extends StrategyContract {
  @Override
  protected SearchStrategy strategy() {
    return new BestOfNProvider().create(new BestOfNConfig(AutoInt.AUTO));
  }

  @Override
  protected double beatsRandomAt() {
    return 0;
  }

  @Test
  void costsThirteenEvaluationsASample() {
    for (int n : new int[] {1, 7, 8, 30}) {
      SearchTestKit.strategy("random", new RandomSearchConfig(AutoInt.of(n)))
          .run()
          .hasSpent(13L * n, n);
    }
    SearchTestKit.strategy("single", new SingleSampleConfig()).run().hasSpent(13, 1);
  }

  @Test
  void usesAsManySamplesAsTheBudgetAffords() {
    ToyScaleModel model = new ToyScaleModel();
    SearchRun run = SearchTestKit.strategy(strategy()).model(model).samples(19.5).run();
    assertThat(run.spent().decodes()).isEqualTo(19);
    assertThat(run.outcome().stop()).isEqualTo(SearchOutcome.Stop.FINISHED);
    assertThat(run.score())
        .isEqualTo(SearchTestKit.strategy(new ReferenceRandomSearch(AutoInt.of(19))).run().score());
  }

  @Test
  void spendsWhatThereIsWhenAskedForMoreThanTheBudgetHolds() {
    SearchRun run =
        SearchTestKit.strategy("best-of-n", new BestOfNConfig(AutoInt.of(50))).nfe(13 * 11).run();
    run.hasSpent(13 * 11, 11);
    assertThat(run.outcome().stop()).isEqualTo(SearchOutcome.Stop.EXHAUSTED);
  }

  @Test
  void refusesFewerThanOneSample() {
    assertThatThrownBy(() -> new BestOfNConfig(AutoInt.of(0)))
        .isInstanceOf(EspalierException.class)
        .hasMessage(
            "[CONFIG] The number of samples (0) must be positive.\nMaybe set strategy.n >= 1, or auto.");
    assertThatThrownBy(() -> new RandomSearchConfig(AutoInt.of(-3)))
        .hasMessageContaining("number of samples (-3)");
  }
}
