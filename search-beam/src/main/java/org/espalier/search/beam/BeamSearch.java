package org.espalier.search.beam;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import org.espalier.api.Candidate;
import org.espalier.api.Draw;
import org.espalier.api.DrawKey;
import org.espalier.api.Expansion;
import org.espalier.api.Quotes;
import org.espalier.api.SearchContext;
import org.espalier.api.SearchStrategy;
import org.espalier.api.StrategyCard;
import org.espalier.api.Trajectory;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Cost;

/**
 * Beam search over prefixes (<a href="https://arxiv.org/abs/2510.16751">Riise et al. 2025</a>).
 * After each step every candidate is judged, by default by its complete image, and the best {@code
 * width} prefixes are kept; each of them then gets {@code candidates} new children. The first
 * step's candidates are the samples {@code stream("sample").child(i)}, whose roll-outs are
 * therefore the images that best-of-N would draw.
 *
 * <p>With full roll-outs over K steps and w*c candidates the cost is {@code w*c*K*(K+1)/2} network
 * evaluations by the published convention and {@code w*c*K} images. Steps at which the model is
 * deterministic are followed without candidates.
 */
public final class BeamSearch implements SearchStrategy {
  private final StrategyCard card;
  private final BeamSearchConfig config;

  BeamSearch(StrategyCard card, BeamSearchConfig config) {
    this.card = card;
    this.config = config;
  }

  /**
   * Beam search.
   *
   * @param config its parameters
   */
  public static SearchStrategy of(BeamSearchConfig config) {
    return new BeamSearchProvider().create(config);
  }

  @Override
  public StrategyCard card() {
    return card;
  }

  /** A prefix and how good it seems; unjudged ones keep the order in which they were made. */
  private record Judged(Trajectory prefix, Candidate evidence) {}

  @Override
  public Candidate search(SearchContext context) {
    int candidates = candidates(context);
    int searched = searched(context);
    List<Draw> draws = new ArrayList<>();
    for (int i = 0; i < config.width() * candidates; i++) {
      draws.add(Draw.fresh(context.stream("sample").child(i)));
    }
    List<Trajectory> beam = context.begin(draws);
    List<Candidate> last = List.of();
    boolean branching = false;
    for (int step = 0; step < searched; step++) {
      List<Trajectory> prefixes = expand(context, beam, step, branching ? candidates : 1);
      // The first step is always worth judging: the roots differ.
      boolean differ = step == 0 || !branching || context.isStochastic(step);
      if (!differ || !judges(step + 1)) {
        beam = prefixes;
        context.retainOnly(keep(beam, last));
        continue;
      }
      List<Judged> judged = judge(context, prefixes);
      last =
          judged.stream().map(Judged::evidence).filter(c -> c.trajectory().isComplete()).toList();
      beam = select(context, judged);
      branching = true;
      context.retainOnly(keep(beam, last));
    }
    if (last.isEmpty() || config.preview() != Preview.ROLLOUT) {
      List<Candidate> ends = new ArrayList<>();
      List<Trajectory> unjudged = new ArrayList<>();
      for (Trajectory end : beam) {
        last.stream()
            .filter(c -> c.trajectory() == end)
            .findFirst()
            .ifPresentOrElse(ends::add, () -> unjudged.add(end));
      }
      if (!unjudged.isEmpty()) {
        ends.addAll(context.verify(VerifierRole.SEARCH, context.complete(unjudged)));
      }
      last = ends;
    }
    if (config.answer() == Answer.BEST) {
      return context.answer();
    }
    return last.stream()
        .filter(candidate -> candidate.score().isPresent())
        .max(Comparator.comparingDouble(Candidate::rank))
        .orElseGet(context::answer);
  }

  /** Steps to search: none after the last at which children can differ. */
  private int searched(SearchContext context) {
    int searched =
        Math.min(context.horizon(), config.searchedSteps().value().orElse(Integer.MAX_VALUE));
    while (searched > 1 && !context.isStochastic(searched - 1)) {
      searched--;
    }
    return searched;
  }

  private List<Trajectory> keep(List<Trajectory> beam, List<Candidate> last) {
    List<Trajectory> keep = new ArrayList<>(beam);
    if (config.answer() == Answer.FINAL) {
      last.forEach(candidate -> keep.add(candidate.trajectory()));
    }
    return keep;
  }

  private boolean judges(int taken) {
    return config.preview() != Preview.PARTIAL || taken >= config.partialFrom();
  }

  private static List<Trajectory> expand(
      SearchContext context, List<Trajectory> parents, int step, int candidates) {
    DrawKey key = context.stream("beam").child(step);
    boolean branches = candidates > 1 && context.isStochastic(step);
    List<Expansion> expansions = new ArrayList<>();
    for (int p = 0; p < parents.size(); p++) {
      List<Draw> draws = new ArrayList<>();
      if (branches) {
        for (int c = 0; c < candidates; c++) {
          draws.add(Draw.fresh(key.child(p).child(c)));
        }
      } else {
        draws.add(Draw.follow());
      }
      expansions.add(new Expansion(parents.get(p), draws));
    }
    List<Trajectory> children = new ArrayList<>();
    context.expand(expansions).forEach(children::addAll);
    return children;
  }

  private List<Judged> judge(SearchContext context, List<Trajectory> prefixes) {
    List<Trajectory> shown = prefixes;
    if (config.preview() == Preview.ROLLOUT) {
      shown = context.complete(prefixes);
    } else if (config.preview() == Preview.LOOKAHEAD) {
      for (int i = 0; i < config.lookahead() && !shown.get(0).isComplete(); i++) {
        shown = expand(context, shown, shown.get(0).step(), 1);
      }
    }
    List<Candidate> verdicts = context.verify(VerifierRole.SEARCH, shown);
    List<Judged> judged = new ArrayList<>();
    for (int i = 0; i < prefixes.size(); i++) {
      Candidate evidence = verdicts.get(i);
      evidence
          .score()
          .ifPresent(score -> context.annotate(evidence.trajectory(), Map.of("score", score)));
      judged.add(new Judged(prefixes.get(i), evidence));
    }
    return judged;
  }

  private List<Trajectory> select(SearchContext context, List<Judged> judged) {
    List<Judged> ranked = new ArrayList<>(judged);
    // Stable: ties go to the earlier candidate.
    ranked.sort(Comparator.comparingDouble((Judged j) -> j.evidence().rank()).reversed());
    int width = Math.min(config.width(), ranked.size());
    context.prune(
        ranked.subList(width, ranked.size()).stream().map(Judged::prefix).toList(),
        "below top " + config.width());
    return ranked.subList(0, width).stream().map(Judged::prefix).toList();
  }

  private int candidates(SearchContext context) {
    return config
        .candidates()
        .value()
        .orElseGet(() -> Sizing.largest(context, candidates -> cost(context, candidates)));
  }

  /**
   * What the whole search costs with so many candidates: exact but for states already evaluated.
   */
  Cost cost(SearchContext context, int candidates) {
    Quotes quotes = context.quotes();
    int horizon = context.horizon();
    int searched = searched(context);
    long population = (long) config.width() * candidates;
    Cost cost = quotes.begin().times(population);
    boolean branching = false;
    boolean complete = false;
    for (int step = 0; step < searched; step++) {
      boolean branches = branching && candidates > 1 && context.isStochastic(step);
      boolean evaluated = branching && config.preview() != Preview.PARTIAL;
      cost = cost.plus(quotes.expand(step, branches ? candidates : 1, evaluated).times(population));
      population = branches ? population * candidates : population;
      if (judges(step + 1) && (!branching || context.isStochastic(step))) {
        int shown = shown(step + 1, horizon);
        for (int at = step + 1; at < shown; at++) {
          cost = cost.plus(quotes.expand(at, 1, false).times(population));
        }
        cost = cost.plus(quotes.verify(VerifierRole.SEARCH, shown).times(population));
        population = Math.min(population, config.width());
        branching = true;
        complete = shown == horizon;
      }
    }
    if (complete && (config.preview() == Preview.ROLLOUT || searched == horizon)) {
      return cost;
    }
    // Followed to the end.
    return cost.plus(
        quotes
            .complete(searched)
            .plus(quotes.verify(VerifierRole.SEARCH, horizon))
            .times(population));
  }

  private int shown(int taken, int horizon) {
    if (config.preview() == Preview.ROLLOUT) {
      return horizon;
    }
    return config.preview() == Preview.PARTIAL
        ? taken
        : Math.min(horizon, taken + config.lookahead());
  }
}
