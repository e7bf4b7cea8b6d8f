package org.espalier.testkit;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.function.LongSupplier;
import org.espalier.api.DrawKey;
import org.espalier.api.Prompt;
import org.espalier.api.SearchStrategy;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Budget;
import org.espalier.compute.ComputeUnit;
import org.espalier.compute.Cost;
import org.espalier.engine.EngineOptions;
import org.espalier.engine.SearchEngine;
import org.espalier.engine.SearchListener;
import org.espalier.engine.SearchOutcome;
import org.espalier.engine.SearchRequest;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.StrategyProvider;
import org.espalier.spi.Verifier;
import org.espalier.spi.Work;
import org.espalier.spi.WorkCounters;

/**
 * Runs one search on toy or real plugins and hands back what can be asserted:
 *
 * <pre>{@code
 * SearchTestKit.strategy(new BeamSearchProvider().create(config))
 *     .model(new ToyScaleModel())
 *     .nfe(1365)
 *     .run()
 *     .hasSpent(1365, 195)
 *     .balances()
 *     .leavesNothing();
 * }</pre>
 *
 * <p>Every search is also reported to {@link SearchInvariants}, which checks the same after the
 * test where it is registered.
 */
public final class SearchTestKit {
  private final SearchStrategy strategy;
  private GenerativeModel model = new ToyScaleModel();
  private final Map<VerifierRole, Verifier> verifiers = new EnumMap<>(VerifierRole.class);
  private Prompt prompt = Prompt.of("toy", "three red circles");
  private Budget budget = Budget.of(ComputeUnit.FLOPS, 1e15);
  private long seed = 2025;
  private int batch = 8;
  private LongSupplier clock = new FakeClock();
  private long trajectories = EngineOptions.defaults().maxTrajectories();

  private SearchTestKit(SearchStrategy strategy) {
    this.strategy = strategy;
    verifiers.put(VerifierRole.SEARCH, new TargetVerifier());
  }

  /**
   * Starts with a strategy.
   *
   * @param strategy what searches
   */
  public static SearchTestKit strategy(SearchStrategy strategy) {
    return new SearchTestKit(strategy);
  }

  /**
   * Starts with a strategy found by its id through {@link ServiceLoader}.
   *
   * @param id of its provider
   * @param config the provider's record
   */
  public static SearchTestKit strategy(String id, Record config) {
    List<String> known = new ArrayList<>();
    for (StrategyProvider<?> provider : ServiceLoader.load(StrategyProvider.class)) {
      if (provider.id().equals(id)) {
        return new SearchTestKit(create(provider, config));
      }
      known.add(provider.id());
    }
    throw new AssertionError("no strategy provider has the id " + id + "; there are " + known);
  }

  private static <C extends Record> SearchStrategy create(
      StrategyProvider<C> provider, Record config) {
    return provider.create(provider.configType().cast(config));
  }

  /**
   * What is searched; {@link ToyScaleModel} unless told.
   *
   * @param other a model
   */
  public SearchTestKit model(GenerativeModel other) {
    this.model = other;
    return this;
  }

  /**
   * What scores; {@link TargetVerifier} for the role SEARCH unless told.
   *
   * @param role the role
   * @param verifier the verifier
   */
  public SearchTestKit verifier(VerifierRole role, Verifier verifier) {
    verifiers.put(role, verifier);
    return this;
  }

  /**
   * What is searched for.
   *
   * @param other a prompt
   */
  public SearchTestKit prompt(Prompt other) {
    this.prompt = other;
    return this;
  }

  /**
   * What may be spent; plenty unless told.
   *
   * @param other a budget
   */
  public SearchTestKit budget(Budget other) {
    this.budget = other;
    return this;
  }

  /**
   * A budget in the published unit, with enough verifier calls to use it.
   *
   * @param limit network evaluations
   */
  public SearchTestKit nfe(long limit) {
    return budget(
        new Budget(ComputeUnit.NFE, limit, Map.of(ComputeUnit.VERIFIER_CALLS, 4.0 * limit)));
  }

  /**
   * A FLOPs budget as a multiple of one sample.
   *
   * @param multiple how many samples' worth
   */
  public SearchTestKit samples(double multiple) {
    return budget(Budget.of(ComputeUnit.FLOPS, Math.ceil(multiple * sampleFlops())));
  }

  /**
   * The study's seed.
   *
   * @param other any number
   */
  public SearchTestKit seed(long other) {
    this.seed = other;
    return this;
  }

  /**
   * Rows handed to the model at once.
   *
   * @param rows positive
   */
  public SearchTestKit batch(int rows) {
    this.batch = rows;
    return this;
  }

  /**
   * The engine's clock; one that stands still unless told.
   *
   * @param nanoTime in nanoseconds
   */
  public SearchTestKit clock(LongSupplier nanoTime) {
    this.clock = nanoTime;
    return this;
  }

  /**
   * How many trajectories the search may create.
   *
   * @param most a stop for strategies that loop over free verbs
   */
  public SearchTestKit trajectories(long most) {
    this.trajectories = most;
    return this;
  }

  /** FLOPs of one sample of the model, text encoding and verification included. */
  public double sampleFlops() {
    Verifier search = verifiers.get(VerifierRole.SEARCH);
    if (search == null) {
      throw new AssertionError("the search verifier is always set");
    }
    return ComputeUnit.FLOPS.of(SearchEngine.sampleCost(model, search, prompt));
  }

  /** Runs the search. Exceptions of the engine pass. */
  public SearchRun run() {
    TrackedModel tracked = new TrackedModel(model);
    SearchInvariants.watch(tracked);
    WorkCounters modelBefore = model.counters();
    WorkCounters verifiersBefore = verifierCounters();
    SearchOutcome outcome =
        new SearchEngine()
            .run(
                new SearchRequest(
                    "test",
                    strategy,
                    tracked,
                    verifiers,
                    prompt,
                    budget,
                    DrawKey.root(seed),
                    new EngineOptions(batch, trajectories, clock, SearchListener.NONE)));
    List<String> faults =
        Books.faults(
            outcome,
            model.counters().since(modelBefore),
            verifierCounters().since(verifiersBefore));
    SearchRun run = new SearchRun(outcome, tracked, faults);
    SearchInvariants.watch(run);
    return run;
  }

  /** What one sample costs in all units. */
  public Cost sampleCost() {
    Verifier search = verifiers.get(VerifierRole.SEARCH);
    if (search == null) {
      throw new AssertionError("the search verifier is always set");
    }
    return SearchEngine.sampleCost(model, search, prompt);
  }

  /** What encoding the prompt costs, which {@link #sampleCost} includes. */
  public Cost encodingCost() {
    return model.quote(new Work.Encode(prompt));
  }

  private WorkCounters verifierCounters() {
    WorkCounters sum = WorkCounters.ZERO;
    for (Verifier verifier : verifiers.values()) {
      sum = sum.plus(verifier.counters());
    }
    return sum;
  }
}
