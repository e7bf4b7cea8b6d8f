package org.espalier.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.function.Function;
import org.espalier.api.BudgetExhaustedException;
import org.espalier.api.Candidate;
import org.espalier.api.Draw;
import org.espalier.api.Expansion;
import org.espalier.api.SearchContext;
import org.espalier.api.SearchStrategy;
import org.espalier.api.StrategyCard;
import org.espalier.api.Trajectory;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Cost;
import org.espalier.spi.GenerativeModel;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a budget says it holds is not refused, whatever is held back to finish one sample. */
@ExtendWith(SearchInvariants.class)
class BudgetViewTest {
  private static void search(
      GenerativeModel model, double samples, Function<SearchContext, Candidate> search) {
    SearchTestKit.strategy(
            new SearchStrategy() {
              @Override
              public StrategyCard card() {
                return StrategyCard.of("asks", "Asks first.", "https://example.org");
              }

              @Override
              public Candidate search(SearchContext context) {
                return search.apply(context);
              }
            })
        .model(model)
        .samples(samples)
        .run()
        .balances();
  }

  private static List<Trajectory> begin(SearchContext context, int number) {
    return context.begin(List.of(Draw.fresh(context.stream("sample").child(number))));
  }

  @ParameterizedTest
  @ValueSource(doubles = {1, 1.05, 1.5, 2, 3.3})
  void affordedSamplesAreNotRefusedAndOthersAre(double samples) {
    for (GenerativeModel model : List.of(new ToyScaleModel(), ToyFlowModel.sde())) {
      search(
          model,
          samples,
          context -> {
            int taken = 0;
            while (context.budget().affords(context.quotes().sample())) {
              context.verify(VerifierRole.SEARCH, context.complete(begin(context, taken++)));
            }
            assertThat(taken).isEqualTo((int) samples);
            assertThat(refused(() -> context.sample(List.of(Draw.fresh(context.stream("x"))))))
                .isTrue();
            return context.answer();
          });
    }
  }

  @ParameterizedTest
  @ValueSource(doubles = {1, 1.05, 1.2, 1.5, 2, 3.3})
  void looksThatAreSparedAreNotRefusedAndAgreeWithWhatRemains(double samples) {
    for (GenerativeModel model : List.of(new ToyScaleModel(), ToyFlowModel.sde())) {
      search(
          model,
          samples,
          context -> {
            Trajectory root = begin(context, 0).get(0);
            Cost look =
                context
                    .quotes()
                    .expand(0, 1, true)
                    .plus(context.quotes().expand(0, 1, false))
                    .plus(context.quotes().verify(VerifierRole.SEARCH, 1));
            int looks = 0;
            while (context.budget().spares(look)) {
              assertThat(context.budget().budget().unit().of(look))
                  .isLessThanOrEqualTo(context.budget().remaining());
              Draw draw = Draw.fresh(context.stream("look").child(looks++));
              List<Trajectory> child =
                  context.expand(List.of(new Expansion(root, List.of(draw)))).get(0);
              context.verify(VerifierRole.SEARCH, child);
            }
            // What was held back still finishes a sample.
            context.sample(List.of(Draw.fresh(context.stream("sample").child(0))));
            return context.answer();
          });
    }
  }

  private static boolean refused(Runnable verb) {
    try {
      verb.run();
      return false;
    } catch (BudgetExhaustedException e) {
      return true;
    }
  }
}
