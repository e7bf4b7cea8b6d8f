package org.espalier.search.bestofn;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.OptionalInt;
import org.espalier.api.Candidate;
import org.espalier.api.Capability;
import org.espalier.api.Draw;
import org.espalier.api.DrawKey;
import org.espalier.api.Expansion;
import org.espalier.api.Quotes;
import org.espalier.api.Rewind;
import org.espalier.api.SearchContext;
import org.espalier.api.SearchStrategy;
import org.espalier.api.Sizing;
import org.espalier.api.StrategyCard;
import org.espalier.api.Trajectory;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Cost;

/**
 * Search over paths (<a href="https://arxiv.org/abs/2501.09732">Ma et al. 2025</a>): denoise N
 * trajectories some way, then repeatedly re-noise M forks of each, denoise these a little further
 * than they were thrown back, judge what they show, and keep the best N, until they are complete.
 */
final class PathSearch implements SearchStrategy {
  private static final StrategyCard CARD =
      StrategyCard.of(
          "paths",
          "Re-noises forks of the best trajectories and keeps the best.",
          "https://arxiv.org/abs/2501.09732",
          Capability.REWIND,
          Capability.PREVIEW);

  private final PathSearchConfig config;

  PathSearch(PathSearchConfig config) {
    this.config = config;
  }

  @Override
  public StrategyCard card() {
    return CARD;
  }

  @Override
  public Candidate search(SearchContext context) {
    if (!config.forks().isAuto()) {
      search(context, config.forks().value().orElseThrow());
    } else {
      // A budget too small for one fork of each path is spent on independent samples alone.
      OptionalInt forks = Sizing.largest(context, 1, some -> cost(context, some));
      forks.ifPresent(some -> search(context, some));
      Sizing.spendRest(context, forks.isPresent() ? config.paths() : 0);
    }
    return context.answer();
  }

  private void search(SearchContext context, int forks) {
    List<Draw> draws = new ArrayList<>();
    for (int i = 0; i < config.paths(); i++) {
      draws.add(Draw.fresh(context.stream("sample").child(i)));
    }
    List<Trajectory> paths = follow(context, context.begin(draws), start(context));
    for (int round = 0; !paths.get(0).isComplete(); round++) {
      int at = paths.get(0).step();
      int to = Math.max(0, at - config.back());
      DrawKey key = context.stream("paths").child(round);
      List<Rewind> rewinds = new ArrayList<>();
      for (int p = 0; p < paths.size(); p++) {
        for (int fork = 0; fork < forks; fork++) {
          rewinds.add(new Rewind(paths.get(p), to, Draw.fresh(key.child(p).child(fork))));
        }
      }
      int until = Math.min(context.horizon(), to + config.forwardOf(context.horizon()));
      List<Trajectory> ends = follow(context, context.rewind(rewinds), until);
      List<Candidate> judged = new ArrayList<>(context.verify(VerifierRole.SEARCH, ends));
      judged.sort(Comparator.comparingDouble(Candidate::rank).reversed());
      int kept = Math.min(config.paths(), judged.size());
      paths = judged.subList(0, kept).stream().map(Candidate::trajectory).toList();
      context.prune(
          judged.subList(kept, judged.size()).stream().map(Candidate::trajectory).toList(),
          "below top " + config.paths());
      context.retainOnly(paths);
    }
  }

  private static List<Trajectory> follow(SearchContext context, List<Trajectory> from, int until) {
    List<Trajectory> front = from;
    while (front.get(0).step() < until) {
      List<Expansion> expansions = new ArrayList<>();
      front.forEach(each -> expansions.add(new Expansion(each, List.of(Draw.follow()))));
      List<Trajectory> next = new ArrayList<>();
      context.expand(expansions).forEach(next::addAll);
      front = next;
    }
    return front;
  }

  /** Where forking begins: with a step left to take, and not so early that nothing is shown. */
  private int start(SearchContext context) {
    long step = Math.round(config.start() * context.horizon());
    return (int) Math.max(1, Math.min(context.horizon() - 1, step));
  }

  private Cost cost(SearchContext context, int forks) {
    Quotes quotes = context.quotes();
    int at = start(context);
    Cost cost = quotes.begin().plus(steps(quotes, 0, at)).times(config.paths());
    long population = config.paths();
    while (at < context.horizon()) {
      int to = Math.max(0, at - config.back());
      int until = Math.min(context.horizon(), to + config.forwardOf(context.horizon()));
      Cost fork =
          quotes
              .rewind(at, to)
              .plus(steps(quotes, to, until))
              .plus(quotes.verify(VerifierRole.SEARCH, until));
      cost = cost.plus(fork.times(Math.multiplyExact(population, (long) forks)));
      population = Math.min(config.paths(), population * forks);
      at = until;
    }
    return cost;
  }

  private static Cost steps(Quotes quotes, int from, int until) {
    Cost cost = Cost.ZERO;
    for (int step = from; step < until; step++) {
      cost = cost.plus(quotes.expand(step, 1, false));
    }
    return cost;
  }
}
