package org.espalier.search.mcts;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.espalier.api.AutoInt;
import org.espalier.api.SearchStrategy;
import org.espalier.testkit.SearchTestKit;
import org.espalier.testkit.StrategyContract;
import org.espalier.testkit.ToyFlowModel;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

class DiffusionTreeSamplingContractTest extends StrategyContract {
  @Override
  protected SearchStrategy strategy() {
    return new DiffusionTreeSamplingProvider()
        .create(
            new DiffusionTreeSamplingConfig(
                AutoInt.AUTO, DiffusionTreeSamplingConfig.Mode.SEARCH, 60.0, 0.05, 2.0, 0.4));
  }

  @Override
  protected double beatsRandomAt() {
    return 100;
  }

  @Test
  void costsARollOutAnIteration() {
    assertThat(
            SearchTestKit.strategy(
                    "diffusion-tree-sampling",
                    new DiffusionTreeSamplingConfig(
                        AutoInt.of(25),
                        DiffusionTreeSamplingConfig.Mode.SAMPLE,
                        10.0,
                        0.5,
                        1.5,
                        0.5))
                .model(ToyFlowModel.sde())
                .run()
                .spent()
                .decodes())
        .isEqualTo(25);
  }

  @Test
  void refusesALambdaOfZero() {
    assertThatThrownBy(
            () ->
                new DiffusionTreeSamplingConfig(
                    AutoInt.AUTO, DiffusionTreeSamplingConfig.Mode.SEARCH, 0.0, 0.5, 1.5, 0.5))
        .hasMessageContaining("lambda (0.0)");
  }

  @Nested
  class Sampling extends StrategyContract {
    @Override
    protected SearchStrategy strategy() {
      return new DiffusionTreeSamplingProvider()
          .create(
              new DiffusionTreeSamplingConfig(
                  AutoInt.AUTO, DiffusionTreeSamplingConfig.Mode.SAMPLE, 100.0, 0.5, 2.0, 0.4));
    }

    @Override
    protected double beatsRandomAt() {
      return 100;
    }
  }
}
