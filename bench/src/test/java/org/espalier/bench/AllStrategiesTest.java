package org.espalier.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.espalier.api.Prompt;
import org.espalier.api.SearchStrategy;
import org.espalier.compute.Budget;
import org.espalier.compute.ComputeUnit;
import org.espalier.compute.Cost;
import org.espalier.spi.GenerativeModel;
import org.espalier.testkit.SearchInvariants;
import org.espalier.testkit.SearchTestKit;
import org.espalier.testkit.ToyFlowModel;
import org.espalier.testkit.ToyModel;
import org.espalier.testkit.ToyScaleModel;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** What must hold of all strategies together, each with its default parameters. */
@ExtendWith(SearchInvariants.class)
class AllStrategiesTest {
  private static final List<Supplier<ToyModel>> MODELS =
      List.of(
          () -> new ToyScaleModel(1, 2, 4, 8, 16),
          () -> new ToyFlowModel(ToyFlowModel.Sampler.SDE, 5),
          () -> new ToyFlowModel(ToyFlowModel.Sampler.ODE, 5));

  private static boolean supports(SearchStrategy strategy, GenerativeModel model) {
    return model.card().capabilities().containsAll(strategy.card().requires());
  }

  @Test
  void thereAreAsManyAsAreDocumented() {
    assertThat(Strategies.all().stream().map(strategy -> strategy.card().id()))
        .containsExactly(
            "adaptive-pruning",
            "beam",
            "best-of-n",
            "diffusion-tree-sampling",
            "greedy",
            "lookahead",
            "mcts",
            "particles",
            "paths",
            "random",
            "rollover",
            "single",
            "svdd",
            "tts-var",
            "zero-order");
  }

  @Test
  void noBudgetIsEverOvershot() {
    for (Supplier<ToyModel> make : MODELS) {
      for (SearchStrategy strategy : Strategies.all()) {
        if (!supports(strategy, make.get())) {
          continue;
        }
        Cost sample = SearchTestKit.strategy(strategy).model(make.get()).sampleCost();
        // Every budget from one sample to 30 in steps that are no whole samples.
        for (long nfe = sample.nfe(); nfe <= 30 * sample.nfe(); nfe += 7) {
          SearchTestKit.strategy(strategy).model(make.get()).nfe(nfe).run().balances();
        }
        for (double calls = 1; calls <= 30; calls += 3) {
          SearchTestKit.strategy(strategy)
              .model(make.get())
              .budget(
                  new Budget(
                      ComputeUnit.VERIFIER_CALLS,
                      calls,
                      Map.of(ComputeUnit.NFE, 2 * calls * sample.nfe())))
              .run()
              .balances();
        }
      }
    }
  }

  @Test
  void aThousandSearchesOfEachLeaveNothingBehind() {
    for (SearchStrategy strategy : Strategies.all()) {
      ToyModel model = MODELS.get(0).get();
      if (!supports(strategy, model)) {
        model = MODELS.get(1).get();
      }
      StringBuilder curve =
          new StringBuilder(strategy.card().id()).append(": live states, peak bytes");
      long first = 0;
      for (int block = 0; block < 4; block++) {
        long peak = 0;
        for (int i = 0; i < 250; i++) {
          long bytes =
              SearchTestKit.strategy(strategy)
                  .model(model)
                  .prompt(Prompt.of("p-" + i, "the same prompts in each block"))
                  .samples(6)
                  .run()
                  .leavesNothing()
                  .model()
                  .peakBytes();
          peak = Math.max(peak, bytes);
        }
        curve.append(" | ").append(model.liveStates()).append(", ").append(peak);
        first = block == 0 ? peak : first;
        assertThat(model.liveStates()).isZero();
        // The same prompts need the same memory in every block: nothing accumulates.
        assertThat(peak).as(curve.toString()).isEqualTo(first);
      }
      System.out.println(curve);
    }
  }
}
