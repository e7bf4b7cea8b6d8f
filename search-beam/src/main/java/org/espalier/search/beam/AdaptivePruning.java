package org.espalier.search.beam;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.espalier.api.Candidate;
import org.espalier.api.Capability;
import org.espalier.api.Draw;
import org.espalier.api.DrawKey;
import org.espalier.api.Quotes;
import org.espalier.api.SearchContext;
import org.espalier.api.SearchStrategy;
import org.espalier.api.Sizing;
import org.espalier.api.StrategyCard;
import org.espalier.api.VerifierRole;
import org.espalier.compute.ComputeUnit;

/**
 * Adaptive pruning: best-of-N in which a sample is dropped on its way as soon as it cannot be
 * expected to beat the incumbent. At some checkpoints what a sample shows is scored; from the pairs
 * of preview and final score seen in this very search, a straight line is learned for each
 * checkpoint. A sample is dropped if the line's prediction plus {@code optimism} standard
 * deviations does not reach the incumbent and, for what it costs to finish it, its chance to is
 * less than half a new sample's: otherwise previews that say nothing would condemn every sample
 * once the incumbent is good. Compute saved begins further samples, in the order of best-of-N.
 *
 * <p>What it assumes: that previews are roughly linear in final scores with normal errors of one
 * size; that samples are exchangeable, so that earlier ones tell about later ones. Dropped samples
 * give no pairs, which flatters the line; a share {@code explore} of them goes on for that reason.
 * Looking costs: no checkpoint is placed where it could not save twice its cost, and one whose
 * looks have cost more than they saved is given up. Where a verdict is dearer than the steps that
 * are left, nothing is looked at, and this is best-of-N. Needs no training and no knowledge of
 * model or verifier; the method is this project's own, so the paper named is the one whose partial
 * scores it builds upon.
 */
final class AdaptivePruning implements SearchStrategy {
  private static final StrategyCard CARD =
      StrategyCard.of(
          "adaptive-pruning",
          "Best-of-N that drops samples whose optimistic bound cannot reach the incumbent.",
          "https://arxiv.org/abs/2507.18537",
          Capability.PREVIEW);

  /** How many looks a checkpoint may cost more than it has saved before it is given up. */
  private static final int PATIENCE = 6;

  /** A look must be able to save so many times what it costs. */
  private static final double LEAST_GAIN = 2;

  /** Chances are estimated from few pairs: a sample is dropped if its own is clearly the worse. */
  private static final double CLEARLY_LESS = 0.5;

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

    /** What a look costs, and what dropping a sample here saves, in the budget's unit. */
    final double look;

    final double rest;

    /** What looks have saved so far, less what they cost. */
    double balance;

    Checkpoint(double look, double rest) {
      this.look = look;
      this.rest = rest;
    }
  }

  @Override
  public Candidate search(SearchContext context) {
    TreeMap<Integer, Checkpoint> checkpoints = checkpoints(context);
    PopulationLoop loop = new PopulationLoop(new Batch(config, checkpoints));
    int wanted = config.n().value().orElse(Integer.MAX_VALUE);
    int begun = 0;
    while (begun < wanted && !checkpoints.isEmpty()) {
      int room = Math.min(config.batch(), wanted - begun);
      while (room > 0 && !context.budget().affords(loop.cost(context, room))) {
        room--;
      }
      if (room == 0) {
        break;
      }
      loop.run(context, begun, room).forEach(member -> learn(checkpoints, member.scores()));
      context.retainOnly(List.of());
      begun += room;
      checkpoints.values().removeIf(checkpoint -> checkpoint.balance < -PATIENCE * checkpoint.look);
    }
    // Where nothing is looked at any more, and in what is left, this is best-of-N.
    while (begun < wanted) {
      int taken = Sizing.sample(context, begun, wanted - begun);
      if (taken == 0) {
        if (config.n().isAuto()) {
          break;
        }
        // Asked for more than the budget holds: the engine's refusal is the honest end.
        context.sample(List.of(Draw.fresh(context.stream("sample").child(begun))));
      }
      begun += taken;
    }
    return context.answer();
  }

  /** Evenly spaced, but for those where a look costs as much as it can save. */
  private TreeMap<Integer, Checkpoint> checkpoints(SearchContext context) {
    ComputeUnit unit = context.budget().budget().unit();
    Quotes quotes = context.quotes();
    double end = unit.of(quotes.verify(VerifierRole.SEARCH, context.horizon()));
    TreeMap<Integer, Checkpoint> checkpoints = new TreeMap<>();
    for (int i = 1; i <= config.checkpoints(); i++) {
      int step = (int) Math.round((double) i * context.horizon() / (config.checkpoints() + 1));
      if (step > 0 && step < context.horizon()) {
        double look = unit.of(quotes.verify(VerifierRole.SEARCH, step));
        double rest = unit.of(quotes.complete(step)) + end;
        if (rest > LEAST_GAIN * look) {
          checkpoints.put(step, new Checkpoint(look, rest));
        }
      }
    }
    return checkpoints;
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
      if (score == Double.NEGATIVE_INFINITY) {
        return true;
      }
      ScoreBound line = checkpoint.line;
      line.see(score);
      double bound = line.bound(score, config.optimism());
      if (line.pairs() < config.warmup() || !Double.isFinite(bound)) {
        return true;
      }
      context.annotate(member.at(), Map.of("bound", bound));
      checkpoint.balance -= checkpoint.look;
      double incumbent = context.incumbent().map(Candidate::rank).orElse(Double.NEGATIVE_INFINITY);
      if (bound > incumbent
          || line.chance(score, incumbent) / checkpoint.rest
              >= CLEARLY_LESS * line.chance(incumbent) / sample(context)) {
        return true;
      }
      checkpoint.balance += checkpoint.rest;
      DrawKey key = context.stream("explore").child(member.root()).child(member.at().step());
      return key.uniform() < config.explore();
    }

    private static double sample(SearchContext context) {
      return context.budget().budget().unit().of(context.quotes().sample());
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
