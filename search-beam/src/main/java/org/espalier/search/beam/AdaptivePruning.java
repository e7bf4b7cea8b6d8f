package org.espalier.search.beam;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.espalier.api.Candidate;
import org.espalier.api.Capability;
import org.espalier.api.Draw;
import org.espalier.api.Expansion;
import org.espalier.api.Quotes;
import org.espalier.api.SearchContext;
import org.espalier.api.SearchStrategy;
import org.espalier.api.StrategyCard;
import org.espalier.api.Trajectory;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Cost;

/**
 * Adaptive pruning: best-of-N in which a sample is dropped on its way as soon as it cannot be
 * expected to beat the incumbent. At some checkpoints what a sample shows is scored; from the pairs
 * of preview and final score seen in this very search, a straight line is learned for each
 * checkpoint, and a sample goes on only if the line's prediction plus {@code optimism} standard
 * deviations reaches the incumbent. Compute saved begins further samples, in the order of
 * best-of-N.
 *
 * <p>What it assumes: that previews are roughly linear in final scores with errors of one size;
 * that samples are exchangeable, so that earlier ones tell about later ones. Dropped samples give
 * no pairs, which flatters the line; a share {@code explore} of them goes on for that reason. A
 * checkpoint at which no sample has been dropped for long is not looked at any more, since looking
 * costs. Needs no training and no knowledge of model or verifier; the method is this project's own,
 * so the paper named is the one whose partial scores it builds upon.
 */
final class AdaptivePruning implements SearchStrategy {
  private static final StrategyCard CARD =
      StrategyCard.of(
          "adaptive-pruning",
          "Best-of-N that drops samples whose optimistic bound cannot reach the incumbent.",
          "https://arxiv.org/abs/2507.18537",
          Capability.PREVIEW);

  /** Looks in vain after which a checkpoint is given up. */
  private static final int PATIENCE = 16;

  private final AdaptivePruningConfig config;

  AdaptivePruning(AdaptivePruningConfig config) {
    this.config = config;
  }

  @Override
  public StrategyCard card() {
    return CARD;
  }

  /** What is known of one checkpoint. */
  private static final class Checkpoint {
    final ScoreBound line = new ScoreBound();
    int inVain;
  }

  /** A sample on its way. */
  private static final class Runner {
    final int index;
    final Map<Integer, Double> shown = new HashMap<>();
    Trajectory at;

    Runner(int index, Trajectory at) {
      this.index = index;
      this.at = at;
    }
  }

  @Override
  public Candidate search(SearchContext context) {
    TreeMap<Integer, Checkpoint> checkpoints = new TreeMap<>();
    for (int i = 1; i <= config.checkpoints(); i++) {
      int step = (int) Math.round((double) i * context.horizon() / (config.checkpoints() + 1));
      if (step > 0 && step < context.horizon()) {
        checkpoints.put(step, new Checkpoint());
      }
    }
    int wanted = config.n().value().orElse(Integer.MAX_VALUE);
    int begun = 0;
    while (begun < wanted) {
      int count = Math.min(config.batch(), wanted - begun);
      while (count > 0 && !context.budget().affords(cost(context, checkpoints).times(count))) {
        count--;
      }
      if (count == 0) {
        if (config.n().isAuto() && begun > 0) {
          break;
        }
        // One sample is always affordable, if it is not looked at on its way.
        checkpoints.clear();
        // Asked for more than the budget holds: the engine's refusal is the honest end.
        count = 1;
      }
      run(context, checkpoints, begun, count);
      begun += count;
      checkpoints.values().removeIf(checkpoint -> checkpoint.inVain >= PATIENCE);
    }
    return context.answer();
  }

  private void run(
      SearchContext context, TreeMap<Integer, Checkpoint> checkpoints, int begun, int count) {
    List<Draw> draws = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      draws.add(Draw.fresh(context.stream("sample").child(begun + i)));
    }
    List<Runner> runners = new ArrayList<>();
    for (Trajectory root : context.begin(draws)) {
      runners.add(new Runner(begun + runners.size(), root));
    }
    for (Map.Entry<Integer, Checkpoint> entry : checkpoints.entrySet()) {
      if (runners.isEmpty()) {
        break;
      }
      advance(context, runners, entry.getKey());
      look(context, entry.getKey(), entry.getValue(), runners);
      context.retainOnly(runners.stream().map(runner -> runner.at).toList());
    }
    if (!runners.isEmpty()) {
      List<Candidate> ends =
          context.verify(
              VerifierRole.SEARCH,
              context.complete(runners.stream().map(runner -> runner.at).toList()));
      for (int i = 0; i < runners.size(); i++) {
        double end = ends.get(i).rank();
        if (end > Double.NEGATIVE_INFINITY) {
          runners
              .get(i)
              .shown
              .forEach(
                  (step, score) -> {
                    Checkpoint checkpoint = checkpoints.get(step);
                    if (checkpoint != null) {
                      checkpoint.line.learn(score, end);
                    }
                  });
        }
      }
    }
    context.retainOnly(List.of());
  }

  private static void advance(SearchContext context, List<Runner> runners, int until) {
    while (runners.get(0).at.step() < until) {
      List<Expansion> expansions = new ArrayList<>();
      runners.forEach(runner -> expansions.add(new Expansion(runner.at, List.of(Draw.follow()))));
      List<List<Trajectory>> next = context.expand(expansions);
      for (int i = 0; i < runners.size(); i++) {
        runners.get(i).at = next.get(i).get(0);
      }
    }
  }

  private void look(SearchContext context, int step, Checkpoint checkpoint, List<Runner> runners) {
    List<Candidate> shown =
        context.verify(VerifierRole.SEARCH, runners.stream().map(runner -> runner.at).toList());
    double incumbent = context.incumbent().map(Candidate::rank).orElse(Double.NEGATIVE_INFINITY);
    List<Runner> kept = new ArrayList<>();
    for (int i = 0; i < runners.size(); i++) {
      Runner runner = runners.get(i);
      double score = shown.get(i).rank();
      if (score == Double.NEGATIVE_INFINITY || checkpoint.line.pairs() < config.warmup()) {
        if (score > Double.NEGATIVE_INFINITY) {
          runner.shown.put(step, score);
        }
        kept.add(runner);
        continue;
      }
      runner.shown.put(step, score);
      double bound = checkpoint.line.bound(score, config.optimism());
      if (Double.isFinite(bound)) {
        context.annotate(runner.at, Map.of("score", score, "bound", bound));
      }
      boolean explored =
          context.stream("explore").child(runner.index).child(step).uniform() < config.explore();
      if (bound > incumbent || explored) {
        checkpoint.inVain += bound > incumbent ? 1 : 0;
        kept.add(runner);
      } else {
        checkpoint.inVain = 0;
        context.prune(List.of(runner.at), "bound below the incumbent");
      }
    }
    runners.clear();
    runners.addAll(kept);
  }

  /** A sample that is looked at everywhere and never dropped. */
  private static Cost cost(SearchContext context, TreeMap<Integer, Checkpoint> checkpoints) {
    Quotes quotes = context.quotes();
    Cost cost = quotes.sample();
    for (int step : checkpoints.keySet()) {
      cost = cost.plus(quotes.verify(VerifierRole.SEARCH, step));
    }
    return cost;
  }
}
