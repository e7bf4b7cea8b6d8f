package org.espalier.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.espalier.api.SearchStrategy;
import org.espalier.testkit.SearchTestKit;
import org.espalier.testkit.StrategyContract;
import org.junit.jupiter.api.Test;

class SatisficingSearchContractTest extends StrategyContract {
  @Override
  protected SearchStrategy strategy() {
    return new SatisficingSearchProvider().create(new SatisficingSearchConfig(0.9, 1000));
  }

  /** It draws the samples of random search, so it cannot beat it. */
  @Override
  protected double beatsRandomAt() {
    return 0;
  }

  @Test
  void stopsAsSoonAsASampleIsGoodEnough() {
    SearchTestKit.strategy("satisficing", new SatisficingSearchConfig(-1.0, 1000))
        .samples(50)
        .run()
        .hasSpent(13, 1);
  }

  @Test
  void spendsTheBudgetOnAGoalOutOfReach() {
    SearchTestKit.strategy("satisficing", new SatisficingSearchConfig(2.0, 1000))
        .samples(50)
        .run()
        .hasSpent(50 * 13, 50);
  }

  @Test
  void refusesAGoalThatIsNoNumber() {
    assertThatThrownBy(() -> new SatisficingSearchConfig(Double.NaN, 1000))
        .hasMessage(
            "[CONFIG] The goal (NaN) must be a finite score.\nMaybe set strategy.goal: 0.5.");
    assertThat(new SatisficingSearchConfig(0.5, 7).most()).isEqualTo(7);
  }
}
