package org.espalier.engine;

import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import org.espalier.api.DrawKey;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.api.SearchStrategy;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Budget;
import org.espalier.compute.ComputeUnit;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.Verifier;
import org.jspecify.annotations.Nullable;

/**
 * The way in for programs: one search, said in one sentence.
 *
 * <pre>{@code
 * SearchOutcome outcome =
 *     Search.of(model).strategy(strategy).verifier(clip).samples(8).seed(7).run("a red circle");
 * outcome.writePng(Path.of("circle.png"));
 * }</pre>
 *
 * <p>Immutable: every method gives another search, so that one can be kept and varied, and searches
 * of several threads do not disturb one another; models and verifiers are locked by the engine. The
 * caller closes model and verifiers.
 */
public final class Search {
  private final GenerativeModel model;
  private final @Nullable SearchStrategy strategy;
  private final Map<VerifierRole, Verifier> verifiers;
  private final @Nullable Budget budget;
  private final double samples;
  private final long seed;
  private final EngineOptions options;

  private Search(
      GenerativeModel model,
      @Nullable SearchStrategy strategy,
      Map<VerifierRole, Verifier> verifiers,
      @Nullable Budget budget,
      double samples,
      long seed,
      EngineOptions options) {
    this.model = model;
    this.strategy = strategy;
    this.verifiers = verifiers;
    this.budget = budget;
    this.samples = samples;
    this.seed = seed;
    this.options = options;
  }

  /**
   * Starts with what is searched: a budget of four samples, seed 0, and neither strategy nor
   * verifier yet.
   *
   * @param model what is searched; stays the caller's
   */
  public static Search of(GenerativeModel model) {
    return new Search(
        Objects.requireNonNull(model, "model"),
        null,
        Map.of(),
        null,
        4,
        0,
        EngineOptions.defaults());
  }

  /**
   * How it is searched.
   *
   * @param other the strategy
   */
  public Search strategy(SearchStrategy other) {
    return new Search(
        model,
        Objects.requireNonNull(other, "strategy"),
        verifiers,
        budget,
        samples,
        seed,
        options);
  }

  /**
   * What drives the search.
   *
   * @param search scores images
   */
  public Search verifier(Verifier search) {
    return verifier(VerifierRole.SEARCH, search);
  }

  /**
   * A verifier in some role.
   *
   * @param role which
   * @param verifier of that role
   */
  public Search verifier(VerifierRole role, Verifier verifier) {
    Map<VerifierRole, Verifier> all = new EnumMap<>(VerifierRole.class);
    all.putAll(verifiers);
    all.put(role, Objects.requireNonNull(verifier, "verifier"));
    return new Search(model, strategy, Map.copyOf(all), budget, samples, seed, options);
  }

  /**
   * What may be spent, as a multiple of the operations of one verified sample of the prompt.
   *
   * @param multiple at least 1
   * @throws EspalierException CONFIG below 1
   */
  public Search samples(double multiple) {
    if (!(multiple >= 1) || Double.isInfinite(multiple)) {
      throw EspalierException.config(
          "The budget (" + multiple + " samples) must be a finite number of at least 1.",
          "Maybe use samples(8).");
    }
    return new Search(model, strategy, verifiers, null, multiple, seed, options);
  }

  /**
   * What may be spent, in any unit.
   *
   * @param other the budget
   */
  public Search budget(Budget other) {
    return new Search(
        model,
        strategy,
        verifiers,
        Objects.requireNonNull(other, "budget"),
        samples,
        seed,
        options);
  }

  /**
   * The seed of all draws: the same seed gives the same search.
   *
   * @param other any number
   */
  public Search seed(long other) {
    return new Search(model, strategy, verifiers, budget, samples, other, options);
  }

  /**
   * Who hears of every image as it is verified.
   *
   * @param listener called on the thread that runs the search
   */
  public Search listener(SearchListener listener) {
    return options(options.withListener(listener));
  }

  /**
   * How it is run, which cannot change its result.
   *
   * @param other batch size, clock, listener and so on
   */
  public Search options(EngineOptions other) {
    return new Search(model, strategy, verifiers, budget, samples, seed, other);
  }

  /**
   * Runs the search.
   *
   * @param prompt what the image should show
   * @return the answer and the account
   * @throws EspalierException as {@link SearchEngine#run}; CONFIG if strategy or verifier are
   *     missing
   */
  public SearchOutcome run(String prompt) {
    return run(Prompt.of("00000", prompt));
  }

  /**
   * Runs the search.
   *
   * @param prompt with an id, from which its draws derive
   * @return the answer and the account
   * @throws EspalierException as {@link SearchEngine#run}; CONFIG if strategy or verifier are
   *     missing
   */
  public SearchOutcome run(Prompt prompt) {
    Verifier search = verifiers.get(VerifierRole.SEARCH);
    if (search == null) {
      throw EspalierException.config(
          "The search has no verifier.", "Maybe use verifier(...) before run(...).");
    }
    SearchStrategy how = strategy;
    if (how == null) {
      throw EspalierException.config(
          "The search has no strategy.", "Maybe use strategy(...) before run(...).");
    }
    return new SearchEngine()
        .run(
            new SearchRequest(
                "search",
                how,
                model,
                verifiers,
                prompt,
                budget(prompt, search),
                DrawKey.root(seed),
                options));
  }

  private Budget budget(Prompt prompt, Verifier search) {
    Budget given = budget;
    if (given != null) {
      return given;
    }
    double one = ComputeUnit.FLOPS.of(SearchEngine.sampleCost(model, search, prompt));
    return Budget.of(ComputeUnit.FLOPS, Math.ceil(samples * one));
  }
}
