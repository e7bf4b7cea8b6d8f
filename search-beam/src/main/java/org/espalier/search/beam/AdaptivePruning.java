package org.espalier.search.beam;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.espalier.api.Candidate;
import org.espalier.api.Capability;
import org.espalier.api.DrawKey;
import org.espalier.api.SearchContext;
import org.espalier.api.SearchStrategy;
import org.espalier.api.StrategyCard;

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

  @Override
  public Candidate search(SearchContext context) {
    TreeMap<Integer, Checkpoint> checkpoints = new TreeMap<>();
    for (int i = 1; i <= config.checkpoints(); i++) {
      int step = (int) Math.round((double) i * context.horizon() / (config.checkpoints() + 1));
      if (step > 0 && step < context.horizon()) {
        checkpoints.put(step, new Checkpoint());
      }
    }
    PopulationLoop loop = new PopulationLoop(new Batch(config, checkpoints));
    int wanted = config.n().value().orElse(Integer.MAX_VALUE);
    int begun = 0;
    while (begun < wanted) {
      int count = Math.min(config.batch(), wanted - begun);
      while (count > 0 && !context.budget().affords(loop.cost(context, count))) {
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
      loop.run(context, begun, count).forEach(member -> learn(checkpoints, member.scores()));
      context.retainOnly(List.of());
      begun += count;
      checkpoints.values().removeIf(checkpoint -> checkpoint.inVain >= PATIENCE);
    }
    return context.answer();
  }

  /** Pairs of what a sample showed at each checkpoint and its end. */
  private static void learn(TreeMap<Integer, Checkpoint> checkpoints, List<Double> scores) {
    double end = scores.get(scores.size() - 1);
    int look = 0;
    for (Checkpoint checkpoint : checkpoints.values()) {
      double score = scores.get(look++);
      if (score > Double.NEGATIVE_INFINITY && end > Double.NEGATIVE_INFINITY) {
        checkpoint.line.learn(score, end);
      }
    }
  }

  /** Samples that advance together until their last checkpoint. Learns within one search. */
  private record Batch(AdaptivePruningConfig config, TreeMap<Integer, Checkpoint> checkpoints)
      implements PopulationLoop.Roles {
    @Override
    public String name() {
      return "adaptive-pruning";
    }

    @Override
    public int initial(int size) {
      return size;
    }

    @Override
    public int steps(SearchContext context) {
      return checkpoints.isEmpty() ? 0 : checkpoints.lastKey();
    }

    @Override
    public boolean scores(SearchContext context, int taken) {
      return checkpoints.containsKey(taken);
    }

    @Override
    public List<PopulationLoop.Member> select(
        SearchContext context, int taken, int size, List<PopulationLoop.Member> members) {
      Checkpoint checkpoint = checkpoints.get(taken);
      return checkpoint == null
          ? members
          : members.stream().filter(member -> goesOn(context, checkpoint, member)).toList();
    }

    private boolean goesOn(
        SearchContext context, Checkpoint checkpoint, PopulationLoop.Member member) {
      double score = member.latest();
      if (score == Double.NEGATIVE_INFINITY || checkpoint.line.pairs() < config.warmup()) {
        return true;
      }
      double bound = checkpoint.line.bound(score, config.optimism());
      if (Double.isFinite(bound)) {
        context.annotate(member.at(), Map.of("bound", bound));
      }
      double incumbent = context.incumbent().map(Candidate::rank).orElse(Double.NEGATIVE_INFINITY);
      if (bound > incumbent) {
        checkpoint.inVain++;
        return true;
      }
      DrawKey key = context.stream("explore").child(member.root()).child(member.at().step());
      if (key.uniform() < config.explore()) {
        return true;
      }
      checkpoint.inVain = 0;
      return false;
    }

    @Override
    public long survivors(SearchContext context, int taken, int size, long members) {
      return members;
    }

    @Override
    public String reason() {
      return "bound below the incumbent";
    }
  }
}
