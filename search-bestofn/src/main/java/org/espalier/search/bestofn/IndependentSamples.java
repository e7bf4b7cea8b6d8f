package org.espalier.search.bestofn;

import java.util.List;
import org.espalier.api.AutoInt;
import org.espalier.api.Candidate;
import org.espalier.api.Draw;
import org.espalier.api.SearchContext;
import org.espalier.api.SearchStrategy;
import org.espalier.api.Sizing;
import org.espalier.api.StrategyCard;

/**
 * Draws independent samples and answers with the best by the search verifier. Sample i is {@code
 * stream("sample").child(i)}, so that a larger search sees all samples of a smaller one.
 */
final class IndependentSamples implements SearchStrategy {
  private final StrategyCard card;
  private final AutoInt count;

  IndependentSamples(StrategyCard card, AutoInt count) {
    this.card = card;
    this.count = count;
  }

  @Override
  public StrategyCard card() {
    return card;
  }

  @Override
  public Candidate search(SearchContext context) {
    if (count.isAuto()) {
      Sizing.spendRest(context, 0);
      return context.answer();
    }
    int wanted = count.value().orElseThrow();
    for (int drawn = 0; drawn < wanted; ) {
      int taken = Sizing.sample(context, drawn, wanted - drawn);
      if (taken == 0) {
        // Asked for more than the budget holds: the engine's refusal is the honest end.
        context.sample(List.of(Draw.fresh(context.stream("sample").child(drawn))));
      }
      drawn += taken;
    }
    return context.answer();
  }
}
