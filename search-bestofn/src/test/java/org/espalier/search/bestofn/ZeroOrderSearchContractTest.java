package org.espalier.search.bestofn;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.espalier.api.AutoInt;
import org.espalier.api.SearchStrategy;
import org.espalier.testkit.SearchTestKit;
import org.espalier.testkit.StrategyContract;
import org.junit.jupiter.api.Test;

class ZeroOrderSearchContractTest extends StrategyContract {
  @Override
  protected SearchStrategy strategy() {
    return new ZeroOrderSearchProvider().create(new ZeroOrderSearchConfig(4, 0.4, AutoInt.AUTO));
  }

  @Override
  protected double beatsRandomAt() {
    return 60;
  }

  @Test
  void costsThePivotAndItsNeighbours() {
    SearchTestKit.strategy("zero-order", new ZeroOrderSearchConfig(4, 0.4, AutoInt.of(7)))
        .run()
        .hasSpent(13 * 29, 29);
  }

  @Test
  void refusesARadiusOutsideItsRange() {
    assertThatThrownBy(() -> new ZeroOrderSearchConfig(4, 0.0, AutoInt.AUTO))
        .hasMessage(
            "[CONFIG] The radius (0.0) must lie in (0.0, 1.0].\nMaybe set strategy.radius between 0.0 and 1.0.");
    assertThatThrownBy(() -> new ZeroOrderSearchConfig(0, 0.4, AutoInt.AUTO))
        .hasMessageContaining("number of neighbours (0)");
  }
}
