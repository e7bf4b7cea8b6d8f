package org.espalier.testkit;

import java.util.ArrayList;
import java.util.List;
import org.espalier.api.AutoInt;
import org.espalier.api.Candidate;
import org.espalier.api.Draw;
import org.espalier.api.SearchContext;
import org.espalier.api.SearchStrategy;
import org.espalier.api.StrategyCard;
import org.espalier.api.VerifierRole;

/**
 * Random search one sample at a time: the yardstick of {@link StrategyContract}. It draws the same
 * samples as every strategy that keeps to {@code stream("sample").child(i)}.
 */
public final class ReferenceRandomSearch implements SearchStrategy {
  private final AutoInt count;

  /**
   * @param count samples, or auto: until the budget is spent
   */
  public ReferenceRandomSearch(AutoInt count) {
    this.count = count;
  }

  @Override
  public StrategyCard card() {
    return StrategyCard.of(
        "reference-random", "Independent samples, one by one.", "https://arxiv.org/abs/2501.09732");
  }

  @Override
  public Candidate search(SearchContext context) {
    int most = count.value().orElse(Integer.MAX_VALUE);
    for (int i = 0; i < most && context.budget().affords(context.quotes().sample()); i++) {
      List<Draw> draws = new ArrayList<>();
      draws.add(Draw.fresh(context.stream("sample").child(i)));
      context.verify(VerifierRole.SEARCH, context.complete(context.begin(draws)));
      context.retainOnly(List.of());
    }
    return context.answer();
  }
}
