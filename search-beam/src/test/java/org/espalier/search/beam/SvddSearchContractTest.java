package org.espalier.search.beam;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.espalier.api.AutoInt;
import org.espalier.api.SearchStrategy;
import org.espalier.testkit.SearchTestKit;
import org.espalier.testkit.StrategyContract;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

class SvddSearchContractTest extends StrategyContract {
  @Override
  protected SearchStrategy strategy() {
    return new SvddSearchProvider().create(new SvddSearchConfig(AutoInt.AUTO, 1, 0.0, 1));
  }

  @Test
  void costsItsCandidates() {
    // 5 roots, then 5 children at each of 12 scales; every child is shown.
    SearchTestKit.strategy("svdd", new SvddSearchConfig(AutoInt.of(5), 1, 0.0, 1))
        .run()
        .hasSpent(5 * 13, 5 * 13);
    // Unjudged for three scales.
    SearchTestKit.strategy("svdd", new SvddSearchConfig(AutoInt.of(5), 1, 0.0, 4))
        .run()
        .hasSpent(5 * 13, 5 * 10);
  }

  @Test
  void refusesANegativeTemperature() {
    assertThatThrownBy(() -> new SvddSearchConfig(AutoInt.AUTO, 1, -1.0, 1))
        .hasMessageContaining("temperature (-1.0)");
  }

  @Nested
  class Soft extends StrategyContract {
    @Override
    protected SearchStrategy strategy() {
      return new SvddSearchProvider().create(new SvddSearchConfig(AutoInt.AUTO, 2, 0.02, 2));
    }
  }
}
