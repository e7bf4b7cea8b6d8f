package org.espalier.search.beam;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.espalier.api.Candidate;
import org.espalier.api.Capability;
import org.espalier.api.Draw;
import org.espalier.api.DrawKey;
import org.espalier.api.Expansion;
import org.espalier.api.Quotes;
import org.espalier.api.SearchContext;
import org.espalier.api.SearchStrategy;
import org.espalier.api.Sizing;
import org.espalier.api.StrategyCard;
import org.espalier.api.Trajectory;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Cost;

/**
 * Rollover budget forcing (<a href="https://arxiv.org/abs/2503.19385">Kim et al. 2025</a>): one
 * particle; each step may try a quota of children, leaves as soon as one shows something better
 * than the particle did, and rolls what it did not use over to the next step. If none is better,
 * the best child goes on.
 *
 * <p>No {@link PopulationLoop}: how many children a step gets is decided child by child within it,
 * so there is neither a proposal to make beforehand nor a population to select from.
 */
final class RolloverSearch implements SearchStrategy {
  private static final StrategyCard CARD =
      StrategyCard.of(
          "rollover",
          "Leaves a step as soon as a better particle appears and rolls the rest over.",
          "https://arxiv.org/abs/2503.19385",
          Capability.STOCHASTIC_STEP,
          Capability.PREVIEW);
  private final RolloverSearchConfig config;

  RolloverSearch(RolloverSearchConfig config) {
    this.config = config;
  }

  @Override
  public StrategyCard card() {
    return CARD;
  }

  @Override
  public Candidate search(SearchContext context) {
    if (!config.quota().isAuto()) {
      search(context, config.quota().value().orElseThrow());
    } else {
      OptionalInt quota = Sizing.largest(context, 1, some -> cost(context, some));
      quota.ifPresent(some -> search(context, some));
      Sizing.spendRest(context, quota.isPresent() ? config.initial() : 0);
    }
    return context.answer();
  }

  private void search(SearchContext context, int quota) {
    List<Draw> roots = new ArrayList<>();
    for (int i = 0; i < config.initial(); i++) {
      roots.add(Draw.fresh(context.stream("sample").child(i)));
    }
    List<Trajectory> first = new ArrayList<>();
    for (Trajectory root : context.begin(roots)) {
      first.addAll(expand(context, root, List.of(Draw.follow())));
    }
    Candidate particle = best(context.verify(VerifierRole.SEARCH, first));
    context.retainOnly(List.of(particle.trajectory()));
    int rolled = 0;
    for (int step = 1; step < context.horizon(); step++) {
      Trajectory at = particle.trajectory();
      if (!context.isStochastic(step)) {
        Trajectory next = expand(context, at, List.of(Draw.follow())).get(0);
        particle = new Candidate(next, particle.verdict());
        context.retainOnly(List.of(next));
        continue;
      }
      int allowed = quota + rolled;
      int used = 0;
      List<Candidate> tried = new ArrayList<>();
      DrawKey key = context.stream("rollover").child(step);
      while (used < allowed && (tried.isEmpty() || best(tried).rank() <= particle.rank())) {
        List<Draw> draws = new ArrayList<>();
        for (int i = 0; i < config.batch() && used < allowed; i++) {
          draws.add(Draw.fresh(key.child(used++)));
        }
        tried.addAll(context.verify(VerifierRole.SEARCH, expand(context, at, draws)));
      }
      rolled = allowed - used;
      particle = best(tried);
      context.annotate(
          particle.trajectory(), Map.of("tried", (double) used, "rolled", (double) rolled));
      context.retainOnly(List.of(particle.trajectory()));
    }
    if (!context.isStochastic(context.horizon() - 1) || context.horizon() == 1) {
      // The last step was followed, so the end has not been judged.
      context.verify(VerifierRole.SEARCH, context.complete(List.of(particle.trajectory())));
    }
  }

  private static List<Trajectory> expand(SearchContext context, Trajectory from, List<Draw> draws) {
    return context.expand(List.of(new Expansion(from, draws))).get(0);
  }

  /** The first of the best. */
  private static Candidate best(List<Candidate> candidates) {
    Candidate best = candidates.get(0);
    for (Candidate candidate : candidates) {
      best = candidate.rank() > best.rank() ? candidate : best;
    }
    return best;
  }

  private Cost cost(SearchContext context, int quota) {
    Quotes quotes = context.quotes();
    Cost cost =
        quotes
            .begin()
            .plus(quotes.expand(0, 1, false))
            .plus(quotes.verify(VerifierRole.SEARCH, 1))
            .times(config.initial());
    // What a step does not use is used at a later one, at worst at the most expensive.
    Cost child = Cost.ZERO;
    long children = 0;
    for (int step = 1; step < context.horizon(); step++) {
      cost = cost.plus(quotes.expand(step, 1, false));
      if (context.isStochastic(step)) {
        children = Math.addExact(children, quota);
        child =
            child.atLeast(
                quotes.expand(step, 1, true).plus(quotes.verify(VerifierRole.SEARCH, step + 1)));
      }
    }
    return cost.plus(child.times(children))
        .plus(quotes.verify(VerifierRole.SEARCH, context.horizon()));
  }
}
