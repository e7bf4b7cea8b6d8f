package org.espalier.search.mcts;

import java.net.URI;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.espalier.api.Candidate;
import org.espalier.api.Capability;
import org.espalier.api.SearchContext;
import org.espalier.api.SearchStrategy;
import org.espalier.api.StrategyCard;
import org.espalier.api.Trajectory;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Cost;

/**
 * Monte Carlo tree search over trajectories (<a href="https://doi.org/10.1007/11871842_29">Kocsis
 * and Szepesvari 2006</a>; PUCT after <a href="https://doi.org/10.1038/nature24270">Silver et al.
 * 2017</a>; progressive widening after <a
 * href="https://doi.org/10.1007/978-3-642-25566-3_32">Couetoux et al. 2011</a>; over denoising
 * steps <a href="https://arxiv.org/abs/2506.03164">Ramesh and Mardani 2025</a>). Values are mean
 * scores of the roll-outs through a node, scaled to [0, 1] by the range seen in this search.
 */
final class TreeSearch implements SearchStrategy {
  private final TreeSearchConfig config;
  private final StrategyCard card;

  TreeSearch(TreeSearchConfig config) {
    this.config = config;
    Set<Capability> requires = EnumSet.of(Capability.STOCHASTIC_STEP);
    Set<VerifierRole> roles = EnumSet.of(VerifierRole.SEARCH);
    if (config.prior()) {
      requires.add(Capability.PREVIEW);
      roles.add(VerifierRole.PRIOR);
    }
    this.card =
        new StrategyCard(
            "mcts",
            "Monte Carlo tree search with progressive widening.",
            URI.create("https://arxiv.org/abs/2506.03164"),
            requires,
            roles);
  }

  @Override
  public StrategyCard card() {
    return card;
  }

  @Override
  public Candidate search(SearchContext context) {
    return new Tree(context).grow(config.iterations(), config.commits());
  }

  private final class Tree extends GrowingTree {
    Tree(SearchContext context) {
      super(context, "mcts", config.wideningFactor(), config.wideningExponent());
    }

    @Override
    Branch choose(Branch parent, List<Branch> candidates) {
      double trust = candidates.stream().mapToDouble(child -> child.prior).sum();
      Branch best = candidates.get(0);
      double most = Double.NEGATIVE_INFINITY;
      for (Branch child : candidates) {
        double value = child.verdicts == 0 ? 0 : scaled(child.mean());
        double bonus =
            config.selection() == Selection.PUCT
                ? child.prior / trust * Math.sqrt(parent.visits) / (1 + child.visits)
                : Math.sqrt(Math.log(1 + parent.visits) / Math.max(1, child.visits));
        double bound = value + config.exploration() * bonus;
        if (bound > most) {
          most = bound;
          best = child;
        }
      }
      return best;
    }

    @Override
    void backUp(Branch node, double score, boolean leaf) {}

    @Override
    void born(Branch child) {
      Trajectory at = child.at;
      if (config.prior() && at != null) {
        double score = context().verify(VerifierRole.PRIOR, List.of(at)).get(0).score().orElse(0);
        // Clamped so that no sibling is trusted infinitely more than another.
        child.prior = Math.exp(Math.max(-30, Math.min(30, score / config.priorTemperature())));
      }
    }

    @Override
    Cost birthCost(int step) {
      return config.prior() ? context().quotes().verify(VerifierRole.PRIOR, step) : Cost.ZERO;
    }
  }
}
