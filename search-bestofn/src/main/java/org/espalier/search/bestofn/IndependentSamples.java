package org.espalier.search.bestofn;

import java.util.ArrayList;
import java.util.List;
import org.espalier.api.AutoInt;
import org.espalier.api.Candidate;
import org.espalier.api.Draw;
import org.espalier.api.DrawKey;
import org.espalier.api.SearchContext;
import org.espalier.api.SearchStrategy;
import org.espalier.api.StrategyCard;
import org.espalier.api.VerifierRole;

/**
 * Draws independent samples and answers with the best by the search verifier. Sample i is {@code
 * stream("sample").child(i)}, so that a larger search sees all samples of a smaller one.
 */
final class IndependentSamples implements SearchStrategy {
  /** Samples started together; more would only hold more memory. */
  private static final int CHUNK = 8;

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
    DrawKey samples = context.stream("sample");
    int wanted = count.value().orElse(Integer.MAX_VALUE);
    int drawn = 0;
    while (drawn < wanted) {
      int chunk =
          Checks.affordable(context, context.quotes().sample(), Math.min(CHUNK, wanted - drawn));
      if (chunk == 0) {
        if (count.isAuto()) {
          break;
        }
        // Asked for more than the budget holds: the engine's refusal is the honest end.
        chunk = 1;
      }
      List<Draw> draws = new ArrayList<>();
      for (int i = 0; i < chunk; i++) {
        draws.add(Draw.fresh(samples.child(drawn + i)));
      }
      context.verify(VerifierRole.SEARCH, context.complete(context.begin(draws)));
      context.retainOnly(List.of());
      drawn += chunk;
    }
    return context.answer();
  }
}
