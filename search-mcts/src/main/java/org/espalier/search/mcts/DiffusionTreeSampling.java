package org.espalier.search.mcts;

import java.util.List;
import java.util.Map;
import org.espalier.api.Candidate;
import org.espalier.api.Capability;
import org.espalier.api.SearchContext;
import org.espalier.api.SearchStrategy;
import org.espalier.api.StrategyCard;
import org.espalier.api.Trajectory;

/**
 * Diffusion tree sampling (<a href="https://arxiv.org/abs/2506.20701">Jain et al. 2025</a>): a tree
 * over denoising steps whose nodes carry soft values, {@code log(mean exp(lambda * value)) /
 * lambda} over their children, backed up from the scores of completed roll-outs. It needs no
 * preview and reuses every roll-out. DTS draws children in proportion to their exponentiated
 * values, DTS* looks for the best one.
 */
final class DiffusionTreeSampling implements SearchStrategy {
  private static final StrategyCard CARD =
      StrategyCard.of(
          "diffusion-tree-sampling",
          "A tree of trajectories with soft values backed up from completed samples.",
          "https://arxiv.org/abs/2506.20701",
          Capability.STOCHASTIC_STEP);
  private final DiffusionTreeSamplingConfig config;

  DiffusionTreeSampling(DiffusionTreeSamplingConfig config) {
    this.config = config;
  }

  @Override
  public StrategyCard card() {
    return CARD;
  }

  @Override
  public Candidate search(SearchContext context) {
    return new Tree(context).grow(config.iterations(), 0);
  }

  private final class Tree extends GrowingTree {
    Tree(SearchContext context) {
      super(context, "diffusion-tree-sampling", config.wideningFactor(), config.wideningExponent());
    }

    @Override
    Branch choose(Branch parent, List<Branch> candidates) {
      return config.mode() == DiffusionTreeSamplingConfig.Mode.SEARCH
          ? greatest(parent, candidates)
          : drawn(parent, candidates);
    }

    private Branch greatest(Branch parent, List<Branch> candidates) {
      Branch best = candidates.get(0);
      double most = Double.NEGATIVE_INFINITY;
      for (Branch child : candidates) {
        double value = child.verdicts == 0 ? 0 : scaled(child.soft);
        double bound =
            value
                + config.exploration()
                    * Math.sqrt(Math.log(1 + parent.visits) / Math.max(1, child.visits));
        if (bound > most) {
          most = bound;
          best = child;
        }
      }
      return best;
    }

    private Branch drawn(Branch parent, List<Branch> candidates) {
      double most = Double.NEGATIVE_INFINITY;
      for (Branch child : candidates) {
        most = Math.max(most, child.verdicts == 0 ? Double.NEGATIVE_INFINITY : child.soft);
      }
      double[] weights = new double[candidates.size()];
      double sum = 0;
      for (int i = 0; i < weights.length; i++) {
        Branch child = candidates.get(i);
        // A child whose verdicts all failed is as unlikely as can be, not impossible.
        weights[i] = child.verdicts == 0 ? 1e-9 : Math.exp(config.lambda() * (child.soft - most));
        sum += weights[i];
      }
      double point =
          context().stream("diffusion-tree-choice").child(iteration()).child(parent.step).uniform()
              * sum;
      int at = 0;
      while (at < weights.length - 1 && point >= weights[at]) {
        point -= weights[at++];
      }
      return candidates.get(at);
    }

    @Override
    void backUp(Branch node, double score, boolean leaf) {
      if (leaf) {
        node.soft = score;
        return;
      }
      double most = Double.NEGATIVE_INFINITY;
      int known = 0;
      for (Branch child : node.children) {
        if (child.verdicts > 0) {
          most = Math.max(most, child.soft);
          known++;
        }
      }
      double sum = 0;
      for (Branch child : node.children) {
        if (child.verdicts > 0) {
          sum += Math.exp(config.lambda() * (child.soft - most));
        }
      }
      node.soft = most + Math.log(sum / known) / config.lambda();
      Trajectory at = node.at;
      if (at != null) {
        context().annotate(at, Map.of("soft", node.soft));
      }
    }
  }
}
