package org.espalier.search.bestofn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.espalier.api.AutoInt;
import org.espalier.api.SearchStrategy;
import org.espalier.testkit.SearchTestKit;
import org.espalier.testkit.StrategyContract;
import org.espalier.testkit.ToyFlowModel;
import org.junit.jupiter.api.Test;

class PathSearchContractTest extends StrategyContract {
  @Override
  protected SearchStrategy strategy() {
    return new PathSearchProvider().create(new PathSearchConfig(2, AutoInt.AUTO, 0.4, 1, null));
  }

  @Override
  protected double beatsRandomAt() {
    return 60;
  }

  @Test
  void costsItsForks() {
    // 2 paths to step 4; then 2 x 3 forks of 3 steps at 4, 6 and 8: back 1, forward 3.
    SearchTestKit.strategy("paths", new PathSearchConfig(2, AutoInt.of(3), 0.4, 1, 3))
        .model(ToyFlowModel.ode())
        .run()
        .hasSpent(2 * 4 + 3 * 6 * 3, 3 * 6);
  }

  @Test
  void sizesItsForksFromTheBudget() {
    assertThat(
            SearchTestKit.strategy(strategy())
                .model(ToyFlowModel.ode())
                .samples(40)
                .run()
                .utilisation())
        .isGreaterThan(0.9);
  }

  @Test
  void refusesForksThatNeverArrive() {
    assertThatThrownBy(() -> new PathSearchConfig(2, AutoInt.AUTO, 0.4, 3, 3))
        .hasMessageStartingWith("[CONFIG] The steps denoised (3) must be more than")
        .hasMessageEndingWith("Maybe set strategy.forward >= 4.");
  }
}
