package org.espalier.search.beam;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.espalier.api.AutoInt;
import org.espalier.api.SearchStrategy;
import org.espalier.testkit.SearchRun;
import org.espalier.testkit.SearchTestKit;
import org.espalier.testkit.StrategyContract;
import org.junit.jupiter.api.Test;

class RolloverSearchContractTest extends StrategyContract {
  @Override
  protected SearchStrategy strategy() {
    return new RolloverSearchProvider().create(new RolloverSearchConfig(4, AutoInt.AUTO, 2));
  }

  @Test
  void neverTriesMoreThanItsQuotas() {
    SearchRun run =
        SearchTestKit.strategy("rollover", new RolloverSearchConfig(4, AutoInt.of(5), 2)).run();
    assertThat(run.spent().nfe()).isLessThanOrEqualTo(4 + 12 * 5);
    assertThat(run.spent().decodes()).isLessThanOrEqualTo(4 + 12 * 5);
  }

  @Test
  void refusesAQuotaBelowOne() {
    assertThatThrownBy(() -> new RolloverSearchConfig(4, AutoInt.of(0), 2))
        .hasMessageContaining("quota of a step (0)");
  }
}
