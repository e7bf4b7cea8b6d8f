package org.espalier.search.mcts;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.espalier.api.AutoInt;
import org.espalier.api.SearchStrategy;
import org.espalier.spi.GenerativeModel;
import org.espalier.testkit.SearchRun;
import org.espalier.testkit.SearchTestKit;
import org.espalier.testkit.StrategyContract;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

class TreeSearchContractTest extends StrategyContract {
  @Override
  protected SearchStrategy strategy() {
    return new TreeSearchProvider().create(TreeSearchConfig.defaults());
  }

  @Override
  protected double beatsRandomAt() {
    return 100;
  }

  @Test
  void costsARollOutAnIteration() {
    SearchRun run =
        SearchTestKit.strategy(
                "mcts",
                new TreeSearchConfig(AutoInt.of(40), Selection.UCT, 0.5, 1.5, 0.5, false, 0.1, 0))
            .run();
    assertThat(run.spent().decodes()).isEqualTo(40);
    // Roll-outs from deeper nodes are shorter than samples.
    assertThat(run.spent().nfe()).isLessThan(40 * 13).isGreaterThan(40);
  }

  @Test
  void growsDeeperThanItsFirstStep() {
    SearchRun run = SearchTestKit.strategy(strategy()).samples(100).run();
    long deep =
        run.outcome().tree().stream()
            .filter(node -> node.verb().equals("expand") && node.step() > 2)
            .count();
    assertThat(deep).isPositive();
    assertThat(run.utilisation()).isGreaterThan(0.95);
  }

  @Test
  void refusesANegativeExploration() {
    assertThatThrownBy(
            () -> new TreeSearchConfig(AutoInt.AUTO, Selection.UCT, -0.1, 1.5, 0.5, false, 0.1, 0))
        .hasMessage(
            "[CONFIG] The exploration (-0.1) must lie in [0.0, 100.0].\nMaybe set strategy.exploration between 0.0 and 100.0.");
  }

  @Nested
  class WithPrior extends StrategyContract {
    @Override
    protected SearchStrategy strategy() {
      return new TreeSearch(
          new TreeSearchConfig(AutoInt.AUTO, Selection.PUCT, 0.3, 2.0, 0.4, true, 0.05, 0));
    }

    @Override
    protected double beatsRandomAt() {
      return 100;
    }
  }

  @Nested
  class Committing extends StrategyContract {
    @Override
    protected SearchStrategy strategy() {
      return new TreeSearch(
          new TreeSearchConfig(AutoInt.AUTO, Selection.UCT, 0.05, 2.0, 0.4, false, 0.1, 6));
    }

    /** More moves of the root than steps: thousands of cheap roll-outs of the last step. */
    @Override
    protected double beatsRandomAt(GenerativeModel model) {
      return model.card().horizon() > 6 ? 100 : 0;
    }
  }
}
