package org.espalier.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.apache.commons.statistics.inference.AlternativeHypothesis;
import org.apache.commons.statistics.inference.BinomialTest;
import org.espalier.api.AutoInt;
import org.espalier.api.Prompt;
import org.espalier.api.SearchStrategy;
import org.espalier.testkit.ReferenceRandomSearch;
import org.espalier.testkit.SearchTestKit;
import org.espalier.testkit.ToyFlowModel;
import org.junit.jupiter.api.Test;

/**
 * The defaults that were tuned on the prompts of the contract tests, against random search at equal
 * compute on planted optima that they have never seen: another seed and other prompts.
 */
class FreshTasksTest {
  private static final Set<String> TUNED = Set.of("mcts", "diffusion-tree-sampling", "particles");
  private static final int TASKS = 32;

  @Test
  void tunedDefaultsBeatRandomSearchOnFreshTasks() {
    List<Double> random = scores(new ReferenceRandomSearch(AutoInt.AUTO));
    Set<String> tested = new TreeSet<>();
    for (SearchStrategy strategy : Strategies.all()) {
      String id = strategy.card().id();
      if (!TUNED.contains(id)) {
        continue;
      }
      tested.add(id);
      List<Double> ours = scores(strategy);
      int wins = 0;
      int losses = 0;
      for (int task = 0; task < TASKS; task++) {
        wins += ours.get(task) > random.get(task) ? 1 : 0;
        losses += ours.get(task) < random.get(task) ? 1 : 0;
      }
      assertThat(
              BinomialTest.withDefaults()
                  .with(AlternativeHypothesis.GREATER_THAN)
                  .test(wins + losses, wins, 0.5)
                  .getPValue())
          .as("one-sided sign test of %s: %d wins, %d losses", id, wins, losses)
          .isLessThan(0.05);
    }
    assertThat(tested).isEqualTo(TUNED);
  }

  private static List<Double> scores(SearchStrategy strategy) {
    List<Double> scores = new ArrayList<>();
    for (int task = 0; task < TASKS; task++) {
      scores.add(
          SearchTestKit.strategy(strategy)
              .model(ToyFlowModel.sde())
              .seed(31)
              .prompt(Prompt.of("fresh-" + task, "a planted optimum"))
              .samples(100)
              .run()
              .score());
    }
    return scores;
  }
}
