package org.espalier.examples;

import java.util.List;
import org.espalier.api.Candidate;
import org.espalier.api.Draw;
import org.espalier.api.SearchContext;
import org.espalier.api.SearchStrategy;
import org.espalier.api.StrategyCard;
import org.espalier.api.Trajectory;
import org.espalier.api.VerifierRole;

/** Draws samples until one is good enough (Simon 1956), and so spends least on easy prompts. */
final class SatisficingSearch implements SearchStrategy {
  private final SatisficingSearchConfig config;

  SatisficingSearch(SatisficingSearchConfig config) {
    this.config = config;
  }

  @Override
  public StrategyCard card() {
    return StrategyCard.of(
        "satisficing",
        "Draws samples until one is good enough.",
        "https://doi.org/10.1037/h0042769");
  }

  @Override
  public Candidate search(SearchContext context) {
    for (int i = 0; i < config.most(); i++) {
      if (i > 0 && !context.budget().affords(context.quotes().sample())) {
        break;
      }
      Draw draw = Draw.fresh(context.stream("sample").child(i));
      List<Trajectory> end = context.complete(context.begin(List.of(draw)));
      Candidate sample = context.verify(VerifierRole.SEARCH, end).get(0);
      if (sample.rank() >= config.goal()) {
        break;
      }
      context.prune(end, "not good enough");
      context.retainOnly(List.of());
    }
    return context.answer();
  }
}
