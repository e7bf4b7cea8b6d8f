package org.espalier.search.bestofn;

import java.util.ArrayList;
import java.util.List;
import org.espalier.api.Candidate;
import org.espalier.api.Draw;
import org.espalier.api.DrawKey;
import org.espalier.api.SearchContext;
import org.espalier.api.SearchStrategy;
import org.espalier.api.StrategyCard;

/**
 * Zero-order search over starting noise (<a href="https://arxiv.org/abs/2501.09732">Ma et al.
 * 2025</a>): draw neighbours of a pivot, move the pivot to the best of them and itself, repeat. The
 * first pivot is the sample {@code stream("sample").child(0)}. Costs {@code 1 + iterations *
 * neighbours} samples.
 */
final class ZeroOrderSearch implements SearchStrategy {
  private static final StrategyCard CARD =
      StrategyCard.of(
          "zero-order",
          "Moves a pivot noise to the best of its neighbours.",
          "https://arxiv.org/abs/2501.09732");
  private final ZeroOrderSearchConfig config;

  ZeroOrderSearch(ZeroOrderSearchConfig config) {
    this.config = config;
  }

  @Override
  public StrategyCard card() {
    return CARD;
  }

  @Override
  public Candidate search(SearchContext context) {
    Draw pivot = Draw.fresh(context.stream("sample").child(0));
    double best = context.sample(List.of(pivot)).get(0).rank();
    int iterations = config.iterations().value().orElse(Integer.MAX_VALUE);
    for (int iteration = 0; iteration < iterations; iteration++) {
      int neighbours = context.budget().most(config.neighbours(), context.quotes().sample());
      if (neighbours == 0) {
        if (config.iterations().isAuto()) {
          break;
        }
        // Asked for more than the budget holds: the engine's refusal is the honest end.
        neighbours = 1;
      }
      DrawKey round = context.stream("zero-order").child(iteration);
      List<Draw> draws = new ArrayList<>();
      for (int i = 0; i < neighbours; i++) {
        draws.add(Draw.near(pivot, round.child(i), config.radius()));
      }
      List<Candidate> candidates = context.sample(draws);
      for (int i = 0; i < neighbours; i++) {
        if (candidates.get(i).rank() > best) {
          best = candidates.get(i).rank();
          pivot = draws.get(i);
        }
      }
    }
    return context.answer();
  }
}
