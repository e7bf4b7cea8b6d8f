package org.espalier.search.beam;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.espalier.api.AutoInt;
import org.espalier.api.SearchStrategy;
import org.espalier.api.VerifierRole;
import org.espalier.spi.GenerativeModel;
import org.espalier.testkit.SearchRun;
import org.espalier.testkit.SearchTestKit;
import org.espalier.testkit.StrategyContract;
import org.espalier.testkit.TargetVerifier;
import org.espalier.testkit.ToyScaleModel;
import org.junit.jupiter.api.Test;

class AdaptivePruningContractTest extends StrategyContract {
  @Override
  protected SearchStrategy strategy() {
    return new AdaptivePruningProvider().create(AdaptivePruningConfig.defaults());
  }

  @Override
  protected double beatsRandomAt(GenerativeModel model) {
    return model.card().horizon() > 10 ? 24 : 40;
  }

  /** It draws the samples of random search: most answers are the same. */
  @Override
  protected int tasks() {
    return 150;
  }

  /** A verdict that costs as much as a whole sample: looking cannot pay. */
  @Test
  void looksAtNothingWhereALookCostsWhatItCouldSave() {
    ToyScaleModel model = new ToyScaleModel(1, 2, 4, 8);
    long dear = SearchTestKit.strategy(strategy()).model(model).sampleCost().flops();
    SearchRun run =
        SearchTestKit.strategy(strategy())
            .model(model)
            .verifier(VerifierRole.SEARCH, new TargetVerifier(dear))
            .samples(20)
            .run();
    assertThat(run.spent().verifierCalls()).isEqualTo(20);
    assertThat(run.outcome().tree()).allMatch(node -> node.pruned().isEmpty());
  }

  @Test
  void beginsMoreSamplesThanBestOfN() {
    SearchRun run = SearchTestKit.strategy(strategy()).samples(60).run();
    long begun = run.outcome().tree().stream().filter(n -> n.parent().isEmpty()).count();
    long dropped = run.outcome().tree().stream().filter(n -> !n.pruned().isEmpty()).count();
    assertThat(begun).isGreaterThan(60);
    assertThat(dropped).isPositive();
  }

  @Test
  void learnsALine() {
    ScoreBound line = new ScoreBound();
    assertThat(line.bound(1, 1)).isEqualTo(Double.POSITIVE_INFINITY);
    for (int i = 0; i < 20; i++) {
      line.learn(i, 3 + 2 * i + (i % 2 == 0 ? 0.5 : -0.5));
    }
    assertThat(line.bound(10, 0)).isCloseTo(23, within(0.1));
    assertThat(line.bound(10, 2)).isBetween(24.0, 24.4);
    // Far from what was seen the bound widens.
    assertThat(line.bound(100, 2) - line.bound(100, 0))
        .isGreaterThan(line.bound(10, 2) - line.bound(10, 0));
  }

  @Test
  void refusesAWarmUpThatTeachesNothing() {
    assertThatThrownBy(() -> new AdaptivePruningConfig(AutoInt.AUTO, 3, 3, 1.0, 0.05, 4))
        .hasMessage(
            "[CONFIG] The warm-up (3) must be at least 4.\nMaybe set strategy.warmup >= 4.");
  }
}
