package org.espalier.search.beam;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.OptionalDouble;
import java.util.Set;
import org.espalier.api.AutoInt;
import org.espalier.api.DrawKey;
import org.espalier.api.SearchStrategy;
import org.espalier.api.Trajectory;
import org.espalier.api.Verdict;
import org.espalier.api.VerifierRole;
import org.espalier.engine.TreeNode;
import org.espalier.testkit.SearchRun;
import org.espalier.testkit.SearchTestKit;
import org.espalier.testkit.StrategyContract;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

class ParticleSearchContractTest extends StrategyContract {
  @Override
  protected SearchStrategy strategy() {
    return new ParticleSearchProvider().create(ParticleSearchConfig.defaults());
  }

  @Test
  void costsAsManyEvaluationsAsItsParticles() {
    // Scored after 1, 4, 7 and 10 scales, and at the end.
    SearchTestKit.strategy(
            "particles",
            new ParticleSearchConfig(
                AutoInt.of(6), Potential.MAX, 10.0, 3, 1, 1.0, Resampling.MULTINOMIAL))
        .run()
        .hasSpent(6 * 13, 6 * 5);
  }

  @Test
  void copiesPart() {
    SearchRun run =
        SearchTestKit.strategy(
                new ParticleSearchProvider()
                    .create(
                        new ParticleSearchConfig(
                            AutoInt.of(8), Potential.ADD, 1e6, 3, 1, 1.0, Resampling.SYSTEMATIC)))
            .run();
    // With a huge lambda all particles descend from one, and yet their ends differ.
    Set<Double> ends = new HashSet<>();
    for (TreeNode node : run.outcome().tree()) {
      if (node.step() == 13
          && node.verdicts().get(VerifierRole.SEARCH) instanceof Verdict.Scored scored) {
        ends.add(scored.value());
      }
    }
    assertThat(ends).hasSize(8);
  }

  @Test
  void weighsByItsPotential() {
    List<Double> scores = List.of(0.2, 0.9, 0.5);
    assertThat(Potential.MAX.of(scores)).isEqualTo(0.9);
    assertThat(Potential.ADD.of(scores)).isEqualTo(1.6);
    assertThat(Potential.DIFF.of(scores)).isEqualTo(0.5 - 0.9);
  }

  @Test
  void drawsInProportion() {
    List<PopulationLoop.Member> members = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      members.add(PopulationLoop.Member.root(NONE, i));
    }
    double[] weights = {0.5, 0, 0.5};
    for (Resampling resampling : Resampling.values()) {
      int first = 0;
      for (int seed = 0; seed < 200; seed++) {
        for (PopulationLoop.Member member :
            resampling.draw(members, weights, 4, DrawKey.root(seed))) {
          assertThat(member.root()).isNotEqualTo(1);
          first += member.root() == 0 ? 1 : 0;
        }
      }
      // 800 draws: ten standard deviations of a fair coin are 141.
      assertThat(first).as(resampling.name()).isBetween(300, 500);
    }
    assertThat(Resampling.effectiveSize(weights)).isEqualTo(2);
  }

  @Test
  void refusesAThresholdOutsideItsRange() {
    assertThatThrownBy(
            () ->
                new ParticleSearchConfig(
                    AutoInt.AUTO, Potential.MAX, 10.0, 3, 1, 1.5, Resampling.SYSTEMATIC))
        .hasMessage(
            "[CONFIG] The ESS threshold (1.5) must lie in [0.0, 1.0].\nMaybe set strategy.essThreshold between 0.0 and 1.0.");
  }

  private static final Trajectory NONE =
      new Trajectory() {
        @Override
        public long id() {
          return 0;
        }

        @Override
        public int step() {
          return 0;
        }

        @Override
        public int horizon() {
          return 1;
        }

        @Override
        public OptionalDouble logProb() {
          return OptionalDouble.empty();
        }
      };

  @Nested
  class Diff extends StrategyContract {
    @Override
    protected SearchStrategy strategy() {
      return new ParticleSearchProvider()
          .create(
              new ParticleSearchConfig(
                  AutoInt.AUTO, Potential.DIFF, 80.0, 1, 1, 0.5, Resampling.MULTINOMIAL));
    }
  }
}
