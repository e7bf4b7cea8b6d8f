package org.espalier.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalDouble;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import java.util.stream.Stream;
import org.espalier.api.BudgetExhaustedException;
import org.espalier.api.Candidate;
import org.espalier.api.Capability;
import org.espalier.api.Draw;
import org.espalier.api.DrawKey;
import org.espalier.api.EspalierException;
import org.espalier.api.Expansion;
import org.espalier.api.Rewind;
import org.espalier.api.SearchContext;
import org.espalier.api.SearchStrategy;
import org.espalier.api.StrategyCard;
import org.espalier.api.Trajectory;
import org.espalier.api.Verdict;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Budget;
import org.espalier.compute.ComputeUnit;
import org.espalier.engine.SearchOutcome;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Each strategy here tries to gain by breaking a rule; each must be caught or gain nothing. */
@ExtendWith(SearchInvariants.class)
class CheatingStrategyTest {

  private static SearchStrategy cheat(Function<SearchContext, Candidate> search) {
    return new SearchStrategy() {
      @Override
      public StrategyCard card() {
        return StrategyCard.of("cheat", "Cheats.", "https://arxiv.org/abs/2510.16751");
      }

      @Override
      public Candidate search(SearchContext context) {
        return search.apply(context);
      }
    };
  }

  private static Candidate sample(SearchContext context, long i) {
    List<Trajectory> ends = context.complete(roots(context, i));
    return context.verify(VerifierRole.SEARCH, ends).get(0);
  }

  private static List<Trajectory> roots(SearchContext context, long i) {
    return context.begin(List.of(Draw.fresh(context.stream("sample").child(i))));
  }

  private static void assertCaught(
      String code, String message, Function<SearchContext, Candidate> search) {
    assertThatThrownBy(
            () -> SearchTestKit.strategy(cheat(search)).samples(6).trajectories(20_000).run())
        .isInstanceOf(EspalierException.class)
        .hasMessageStartingWith("[" + code + "]")
        .hasMessageContaining(message);
  }

  @Test
  void answersWithAnUnverifiedSample() {
    assertCaught(
        "PLUGIN_CONTRACT",
        "not a complete sample",
        context -> {
          sample(context, 0);
          Trajectory end = context.complete(roots(context, 1)).get(0);
          return new Candidate(end, Verdict.scored(1_000));
        });
  }

  @Test
  void answersWithAPreview() {
    assertCaught(
        "PLUGIN_CONTRACT",
        "not a complete sample",
        context -> {
          sample(context, 0);
          Expansion expansion = new Expansion(roots(context, 1).get(0), List.of(Draw.follow()));
          return context
              .verify(VerifierRole.SEARCH, context.expand(List.of(expansion)).get(0))
              .get(0);
        });
  }

  @Test
  void forgesTheVerdictOfAVerifiedSample() {
    SearchRun run =
        SearchTestKit.strategy(
                cheat(
                    context ->
                        new Candidate(sample(context, 0).trajectory(), Verdict.scored(1_000))))
            .samples(2)
            .run();
    assertThat(run.score()).isLessThanOrEqualTo(TargetVerifier.OPTIMUM);
  }

  @Test
  void makesUpATrajectory() {
    Trajectory own =
        new Trajectory() {
          @Override
          public long id() {
            return 0;
          }

          @Override
          public int step() {
            return 13;
          }

          @Override
          public int horizon() {
            return 13;
          }

          @Override
          public OptionalDouble logProb() {
            return OptionalDouble.empty();
          }
        };
    assertCaught(
        "PLUGIN_CONTRACT",
        "belongs to another search",
        context -> context.verify(VerifierRole.SEARCH, List.of(own)).get(0));
  }

  @Test
  void carriesATrajectoryFromOneSearchToTheNext() {
    AtomicReference<Trajectory> kept = new AtomicReference<>();
    Function<SearchContext, Candidate> search =
        context -> {
          Trajectory earlier = kept.get();
          if (earlier != null) {
            return context.verify(VerifierRole.SEARCH, List.of(earlier)).get(0);
          }
          Candidate first = sample(context, 0);
          kept.set(first.trajectory());
          return first;
        };
    SearchTestKit.strategy(cheat(search)).samples(2).run();
    assertCaught("PLUGIN_CONTRACT", "belongs to another search", search);
  }

  @Test
  void keepsTheContextAfterItsSearch() {
    AtomicReference<SearchContext> kept = new AtomicReference<>();
    SearchTestKit.strategy(
            cheat(
                context -> {
                  kept.set(context);
                  return sample(context, 0);
                }))
        .samples(8)
        .run();
    SearchContext context = Objects.requireNonNull(kept.get());
    assertThatThrownBy(() -> roots(context, 1)).hasMessageContaining("has ended");
    assertThatThrownBy(() -> context.retainOnly(List.of())).hasMessageContaining("has ended");
  }

  @Test
  void worksOnAnotherThread() {
    assertCaught(
        "PLUGIN_CONTRACT",
        "another thread",
        context -> {
          try {
            return CompletableFuture.supplyAsync(() -> sample(context, 0)).join();
          } catch (CompletionException e) {
            throw (RuntimeException) e.getCause();
          }
        });
  }

  @Test
  void usesADroppedTrajectory() {
    assertCaught(
        "PLUGIN_CONTRACT",
        "dropped by retainOnly",
        context -> {
          List<Trajectory> roots = roots(context, 0);
          context.retainOnly(List.of());
          return context.verify(VerifierRole.SEARCH, context.complete(roots)).get(0);
        });
  }

  @Test
  void answersWithADroppedSample() {
    assertCaught(
        "PLUGIN_CONTRACT",
        "still held",
        context -> {
          Candidate worst = sample(context, 0);
          for (int i = 1; i < 4; i++) {
            Candidate next = sample(context, i);
            worst = next.rank() < worst.rank() ? next : worst;
          }
          context.retainOnly(List.of());
          return worst;
        });
  }

  @Test
  void swallowsEveryRefusal() {
    assertCaught(
        "PLUGIN_CONTRACT",
        "went on after",
        context -> {
          while (true) {
            try {
              sample(context, 0);
            } catch (BudgetExhaustedException e) {
              assertThat(e.code()).isEqualTo(EspalierException.Code.BUDGET);
            }
          }
        });
  }

  @Test
  void verifiesOneSampleForEver() {
    SearchRun run =
        SearchTestKit.strategy(
                cheat(
                    context -> {
                      Candidate only = sample(context, 0);
                      while (true) {
                        context.verify(VerifierRole.SEARCH, List.of(only.trajectory()));
                      }
                    }))
            .samples(4)
            .run()
            .balances();
    assertThat(run.outcome().stop()).isEqualTo(SearchOutcome.Stop.EXHAUSTED);
  }

  @Test
  void hidesBehindABudgetThatDoesNotBoundVerifying() {
    SearchRun run =
        SearchTestKit.strategy(
                cheat(
                    context -> {
                      Candidate only = sample(context, 0);
                      while (true) {
                        context.verify(VerifierRole.SEARCH, List.of(only.trajectory()));
                      }
                    }))
            .budget(Budget.of(ComputeUnit.NFE, 240))
            .run()
            .balances();
    // 240 / 13 samples, sixteen times, rounded up
    assertThat(run.outcome().budget().caps())
        .containsOnly(Map.entry(ComputeUnit.VERIFIER_CALLS, 296.0));
    assertThat(run.spent().verifierCalls()).isEqualTo(296);
  }

  @Test
  void breedsFreeChildrenForEver() {
    assertCaught(
        "PLUGIN_CONTRACT",
        "has created more than",
        context -> {
          Trajectory root = roots(context, 0).get(0);
          List<Draw> draws = new ArrayList<>();
          for (int i = 0; i < 1_000; i++) {
            draws.add(Draw.fresh(context.stream("free").child(i)));
          }
          while (true) {
            context.expand(List.of(new Expansion(root, draws)));
            context.retainOnly(List.of(root));
          }
        });
  }

  @Test
  void asksAVerifierItDidNotDeclare() {
    assertCaught(
        "CAPABILITY",
        "PRIOR",
        context -> context.verify(VerifierRole.PRIOR, roots(context, 0)).get(0));
  }

  @Test
  void usesACapabilityItDidNotDeclare() {
    assertCaught(
        "CAPABILITY",
        "REWIND",
        context -> {
          Trajectory end = sample(context, 0).trajectory();
          return context
              .verify(
                  VerifierRole.SEARCH,
                  context.complete(
                      context.rewind(List.of(new Rewind(end, 3, Draw.fresh(context.stream("x")))))))
              .get(0);
        });
    assertThat(new ToyScaleModel().card().capabilities()).doesNotContain(Capability.REWIND);
  }

  @Test
  void notesNumbersThatAreNone() {
    assertCaught(
        "PLUGIN_CONTRACT",
        "is not finite",
        context -> {
          Candidate only = sample(context, 0);
          context.annotate(only.trajectory(), Map.of("uct", Double.NaN));
          return only;
        });
  }

  /** A contract over a cheat must fail in the test named. */
  private static void assertContractFails(
      SearchStrategy strategy, Function<StrategyContract, Runnable> test) {
    StrategyContract contract =
        new StrategyContract() {
          @Override
          protected SearchStrategy strategy() {
            return strategy;
          }
        };
    assertThatThrownBy(() -> test.apply(contract).run()).isInstanceOf(AssertionError.class);
  }

  private static void runAll(Stream<DynamicTest> tests) {
    tests.forEach(
        test -> {
          try {
            test.getExecutable().execute();
          } catch (RuntimeException | Error e) {
            throw e;
          } catch (Throwable e) {
            throw new IllegalStateException(e);
          }
        });
  }

  @Test
  void bringsItsOwnRandomness() {
    Random own = new Random(1);
    assertContractFails(
        cheat(context -> sample(context, own.nextLong())),
        contract -> () -> runAll(contract.replaysIdentically()));
  }

  @Test
  void learnsFromEarlierSearches() {
    List<Long> seen = new ArrayList<>();
    assertContractFails(
        cheat(
            context -> {
              seen.add(0L);
              return sample(context, seen.size());
            }),
        contract -> () -> runAll(contract.replaysIdentically()));
  }

  @Test
  void doesNotBeatRandomSearch() {
    assertContractFails(
        cheat(context -> sample(context, 0)),
        contract -> () -> contract.beatsRandom(ToyScaleModel::new, 24));
  }

  @Test
  void minesTheSeed() {
    // A key of one's own is not refused, since keys are values; but it gains nothing in expectation
    // and shows in the contract as a failure to use common draws: the same whatever the seed.
    SearchStrategy miner =
        cheat(
            context -> {
              Trajectory root = context.begin(List.of(Draw.fresh(DrawKey.root(99)))).get(0);
              return context.verify(VerifierRole.SEARCH, context.complete(List.of(root))).get(0);
            });
    assertContractFails(miner, contract -> contract::dependsOnTheSeed);
  }
}
