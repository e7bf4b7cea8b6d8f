package org.espalier.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.espalier.api.AutoInt;
import org.espalier.api.Capability;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.api.SearchStrategy;
import org.espalier.api.StrategyCard;
import org.espalier.api.Verdict;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Budget;
import org.espalier.compute.ComputeUnit;
import org.espalier.compute.Cost;
import org.espalier.engine.IncumbentPoint;
import org.espalier.engine.SearchOutcome;
import org.espalier.engine.TreeNode;
import org.espalier.spi.GenerativeModel;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * What every strategy must keep. Extend it, say how to make the strategy, and every test runs
 * against every toy model that has the capabilities it needs; models that lack one must be refused.
 */
@ExtendWith(SearchInvariants.class)
public abstract class StrategyContract {
  private static final long SEED = 90_210;
  private static final List<Double> MULTIPLES = List.of(1.0, 1.4, 2.0, 3.0, 5.0, 9.5, 24.0);

  /**
   * Budgets at which strategies change from independent samples to a search of their least size.
   */
  private static final List<Double> SIZED =
      List.of(1.0, 1.3, 2.0, 2.7, 3.0, 4.0, 5.5, 6.0, 8.0, 11.3, 16.0, 24.0, 40.0);

  /** A new strategy with the parameters under test; sized from the budget where it can be. */
  protected abstract SearchStrategy strategy();

  /**
   * Samples' worth of FLOPs at which the strategy must beat random search on every toy model that
   * it supports, or 0 for strategies that need not, such as random search itself.
   */
  protected double beatsRandomAt() {
    return 40;
  }

  /**
   * The same for one model, for strategies that need more on some; a subclass that says 0 here
   * gives its reason, with figures.
   *
   * @param model one of the {@link #models}
   */
  protected double beatsRandomAt(GenerativeModel model) {
    return beatsRandomAt();
  }

  /**
   * On how many planted optima the two are compared; more for strategies whose answer is often the
   * very sample that random search finds, since ties tell nothing.
   */
  protected int tasks() {
    return 60;
  }

  /**
   * Whether the strategy under test sizes itself from its budget, so that it must spend what that
   * holds. By default this is tried out: one that spends no more of a budget twice as large has a
   * size of its own, or stops when it is content.
   */
  protected boolean spendsAll() {
    Supplier<GenerativeModel> model = supported().get(0);
    double some = kit(model.get()).samples(150).run().spent().flops();
    double twice = kit(model.get()).samples(300).run().spent().flops();
    return twice > 1.5 * some;
  }

  /** The toy models. */
  protected List<Supplier<GenerativeModel>> models() {
    return List.of(
        ToyScaleModel::new,
        () -> new ToyScaleModel(1, 2, 4, 8),
        ToyFlowModel::sde,
        ToyFlowModel::ode,
        () -> new ToyFlowModel(ToyFlowModel.Sampler.SDE, 4));
  }

  private List<Supplier<GenerativeModel>> supported() {
    List<Supplier<GenerativeModel>> supported = new ArrayList<>();
    for (Supplier<GenerativeModel> model : models()) {
      if (model.get().card().capabilities().containsAll(strategy().card().requires())) {
        supported.add(model);
      }
    }
    assertThat(supported).as("toy models that the strategy supports").isNotEmpty();
    return supported;
  }

  private SearchTestKit kit(GenerativeModel model) {
    return kit(strategy(), model);
  }

  private static SearchTestKit kit(SearchStrategy strategy, GenerativeModel model) {
    SearchTestKit kit = SearchTestKit.strategy(strategy).model(model);
    if (strategy.card().roles().contains(VerifierRole.PRIOR)) {
      kit.verifier(VerifierRole.PRIOR, new TargetVerifier(10_000));
    }
    return kit;
  }

  /** One test for each model that the strategy supports. */
  private Stream<DynamicTest> onEachModel(Consumer<Supplier<GenerativeModel>> body) {
    return supported().stream()
        .map(model -> DynamicTest.dynamicTest(model.get().toString(), () -> checked(model, body)));
  }

  /** One test for each model that the strategy supports and each budget in whole samples. */
  private Stream<DynamicTest> onEachModelAndBudget(
      List<Double> multiples, BiConsumer<Supplier<GenerativeModel>, Double> body) {
    return supported().stream()
        .flatMap(
            model ->
                multiples.stream()
                    .map(
                        multiple ->
                            DynamicTest.dynamicTest(
                                "%s at %s samples".formatted(model.get(), multiple),
                                () -> checked(model, some -> body.accept(some, multiple)))));
  }

  /** With the invariants checked after each, whose name then stands in the failure. */
  private static void checked(
      Supplier<GenerativeModel> model, Consumer<Supplier<GenerativeModel>> body) {
    body.accept(model);
    SearchInvariants.check("the search of " + model.get());
  }

  @TestFactory
  Stream<DynamicTest> neverOvershootsAndAlwaysAnswersWithAVerifiedSample() {
    return onEachModelAndBudget(
        MULTIPLES,
        (model, multiple) -> {
          SearchRun run = kit(model.get()).samples(multiple).run().balances().leavesNothing();
          assertThat(run.score()).isFinite();
          assertThat(run.outcome().incumbentScore()).isGreaterThanOrEqualTo(run.score());
        });
  }

  /**
   * A strategy that sizes itself from the budget finishes what it begins, so that the engine need
   * not finish a sample for it from what was held back; and it leaves no room for another sample.
   */
  @TestFactory
  Stream<DynamicTest> spendsItsBudgetAndFinishesWhatItBegins() {
    assumeThat(spendsAll()).as("this strategy sizes itself from the budget").isTrue();
    return onEachModelAndBudget(
        SIZED,
        (model, multiple) -> {
          SearchTestKit kit = kit(model.get());
          assertSpent(kit.samples(multiple).run(), sampleOf(kit));
          Cost sample = kit.sampleCost();
          SearchTestKit inNfe = kit(model.get());
          long nfe = (long) (multiple * sample.nfe());
          assertSpent(inNfe.nfe(nfe).run(), sampleOf(inNfe));
        });
  }

  private static Cost sampleOf(SearchTestKit kit) {
    return kit.sampleCost().minus(kit.encodingCost());
  }

  private static void assertSpent(SearchRun run, Cost sample) {
    assertThat(run.outcome().stop())
        .as("why the search ended: not because it ran out of budget before its first verdict")
        .isNotEqualTo(SearchOutcome.Stop.ESCROW);
    assertThat(run.hasRoomFor(sample)).as("room for another sample is left").isFalse();
  }

  @TestFactory
  Stream<DynamicTest> keepsBudgetsInEveryUnit() {
    return onEachModel(
        model -> {
          Cost sample = kit(model.get()).sampleCost();
          for (int n : List.of(1, 2, 7, 16)) {
            Map<ComputeUnit, Double> calls = Map.of(ComputeUnit.VERIFIER_CALLS, 2.0 * n);
            for (Budget budget :
                List.of(
                    new Budget(ComputeUnit.NFE, n * sample.nfe(), calls),
                    new Budget(
                        ComputeUnit.SAMPLES,
                        n,
                        Map.of(
                            ComputeUnit.NFE,
                            3.0 * n * sample.nfe(),
                            ComputeUnit.VERIFIER_CALLS,
                            2.0 * n)),
                    new Budget(
                        ComputeUnit.VERIFIER_CALLS,
                        n,
                        Map.of(ComputeUnit.NFE, 2.0 * n * sample.nfe())))) {
              kit(model.get()).budget(budget).run().balances().leavesNothing();
            }
          }
        });
  }

  @TestFactory
  Stream<DynamicTest> refusesABudgetBelowOneSample() {
    return onEachModel(
        model -> {
          assertThatThrownBy(() -> kit(model.get()).samples(0.99).run())
              .isInstanceOf(EspalierException.class)
              .hasMessageStartingWith("[BUDGET]");
        });
  }

  @TestFactory
  Stream<DynamicTest> replaysIdentically() {
    return onEachModel(
        model -> {
          SearchStrategy strategy = strategy();
          String first = kit(strategy, model.get()).samples(9).run().fingerprint();
          // Another search in between must leave no trace in the strategy.
          kit(strategy, model.get()).samples(4).seed(7).prompt(Prompt.of("other", "a cube")).run();
          assertThat(kit(strategy, model.get()).samples(9).run().fingerprint()).isEqualTo(first);
          assertThat(kit(model.get()).samples(9).run().fingerprint()).isEqualTo(first);
        });
  }

  @Test
  void dependsOnTheSeed() {
    Set<String> fingerprints = new HashSet<>();
    for (int seed = 0; seed < 3; seed++) {
      fingerprints.add(kit(supported().get(0).get()).samples(4).seed(seed).run().fingerprint());
    }
    assertThat(fingerprints).as("searches with different seeds").hasSize(3);
  }

  @TestFactory
  Stream<DynamicTest> isTheSameWhateverTheBatchSize() {
    return onEachModel(
        model -> {
          Set<String> fingerprints = new HashSet<>();
          for (int batch : List.of(1, 3, 8, 64)) {
            fingerprints.add(kit(model.get()).samples(9).batch(batch).run().fingerprint());
          }
          assertThat(fingerprints).hasSize(1);
        });
  }

  @TestFactory
  Stream<DynamicTest> isThreadSafe() {
    return onEachModel(
        model -> {
          SearchStrategy strategy = strategy();
          String alone = kit(strategy, model.get()).samples(6).run().fingerprint();
          List<CompletableFuture<String>> together = new ArrayList<>();
          for (int i = 0; i < 4; i++) {
            together.add(
                CompletableFuture.supplyAsync(
                    () -> kit(strategy, model.get()).samples(6).run().fingerprint()));
          }
          together.forEach(result -> assertThat(result.join()).isEqualTo(alone));
        });
  }

  @TestFactory
  Stream<DynamicTest> raisesItsIncumbentAndNeverLosesIt() {
    return onEachModel(
        model -> {
          SearchRun run = kit(model.get()).samples(16).run().balances();
          double best = Double.NEGATIVE_INFINITY;
          for (TreeNode node : run.outcome().tree()) {
            if (node.step() == model.get().card().horizon()
                && node.verdicts().get(VerifierRole.SEARCH) instanceof Verdict.Scored scored) {
              best = Math.max(best, scored.value());
            }
          }
          List<IncumbentPoint> curve = run.outcome().curve();
          assertThat(curve.get(curve.size() - 1).score()).isEqualTo(best);
        });
  }

  @Test
  void bearsVerdictsThatFail() {
    TableVerifier fussy =
        new TableVerifier(
            image ->
                image.at(0, 0, 0) % 3 == 0
                    ? new Verdict.Failed("injected")
                    : Verdict.scored(image.at(0, 0, 0)));
    for (Supplier<GenerativeModel> model : supported()) {
      for (int seed = 0; seed < 4; seed++) {
        try {
          kit(model.get())
              .verifier(VerifierRole.SEARCH, fussy)
              .samples(12)
              .seed(seed)
              .run()
              .balances();
        } catch (EspalierException e) {
          // Only a search whose every verdict failed may end without an answer.
          assertThat(e).hasMessageContaining("every verdict failed");
        }
      }
    }
    TableVerifier mute = new TableVerifier(image -> new Verdict.Failed("injected"));
    assertThatThrownBy(
            () ->
                kit(supported().get(0).get()).verifier(VerifierRole.SEARCH, mute).samples(4).run())
        .isInstanceOf(EspalierException.class)
        .hasMessageContaining("every verdict failed");
  }

  @TestFactory
  Stream<DynamicTest> leaksNothingWhenTheModelFails() {
    return onEachModel(
        model -> {
          int failures = 0;
          for (int call = 1; call <= 24; call++) {
            GenerativeModel made = model.get();
            if (made instanceof ToyModel toy) {
              SearchTestKit kit = kit(made).samples(9);
              toy.failAt(call);
              try {
                kit.run();
              } catch (EspalierException e) {
                failures++;
                assertThat(e).hasMessageStartingWith("[NATIVE]").hasMessageContaining("injected");
              }
              assertThat(toy.liveStates()).isZero();
            }
          }
          assertThat(failures).as("injected failures that came through").isPositive();
        });
  }

  @Test
  void isRefusedWhereACapabilityIsMissing() {
    StrategyCard card = strategy().card();
    assertThat(card.id()).matches("[a-z][a-z0-9]*(-[a-z0-9]+)*");
    assertThat(card.roles()).contains(VerifierRole.SEARCH);
    for (Supplier<GenerativeModel> model : models()) {
      Set<Capability> missing = new HashSet<>(card.requires());
      missing.removeAll(model.get().card().capabilities());
      if (!missing.isEmpty()) {
        assertThatThrownBy(() -> kit(model.get()).samples(4).run())
            .isInstanceOf(EspalierException.class)
            .hasMessageStartingWith("[CAPABILITY]")
            .hasMessageContaining(missing.iterator().next().toString());
      }
    }
  }

  /**
   * On every toy model: planted optima, the same noise for both, the same budget, a one-sided sign
   * test at 5 %. Neither the seed nor the prompts may serve to choose a strategy's parameters.
   */
  @TestFactory
  Stream<DynamicTest> beatsRandomSearchAtEqualCompute() {
    assumeThat(
            supported().stream().mapToDouble(model -> beatsRandomAt(model.get())).max().orElse(0))
        .as("this strategy need not beat random search")
        .isPositive();
    return supported().stream()
        .filter(model -> beatsRandomAt(model.get()) > 0)
        .map(
            model -> {
              double samples = beatsRandomAt(model.get());
              return DynamicTest.dynamicTest(
                  "%s at %.0f samples".formatted(model.get(), samples),
                  () -> beatsRandom(model, samples));
            });
  }

  final void beatsRandom(Supplier<GenerativeModel> model, double samples) {
    int wins = 0;
    int losses = 0;
    for (int i = 0; i < tasks(); i++) {
      double ours = score(kit(model.get()), i, samples);
      double random =
          score(
              SearchTestKit.strategy(new ReferenceRandomSearch(AutoInt.AUTO)).model(model.get()),
              i,
              samples);
      wins += ours > random ? 1 : 0;
      losses += ours < random ? 1 : 0;
    }
    assertThat(signTest(wins, losses))
        .as("one-sided sign test of %d wins and %d losses against random search", wins, losses)
        .isLessThan(0.05);
  }

  private static double score(SearchTestKit kit, int task, double samples) {
    return kit.seed(SEED)
        .prompt(Prompt.of("held-out-" + task, "a planted optimum"))
        .samples(samples)
        .run()
        .score();
  }

  /** Probability of so many wins or more if wins and losses were equally likely. */
  static double signTest(int wins, int losses) {
    int n = wins + losses;
    double probability = 0;
    double term = StrictMath.pow(0.5, n);
    for (int k = 0; k <= n; k++) {
      if (k >= wins) {
        probability += term;
      }
      term = term * (n - k) / (k + 1);
    }
    return probability;
  }
}
