package org.espalier.search.beam;

import org.espalier.api.AutoInt;
import org.espalier.api.SearchStrategy;
import org.espalier.testkit.SearchTestKit;
import org.espalier.testkit.StrategyContract;
import org.junit.jupiter.api.Test;

class LookaheadSearchContractTest extends StrategyContract {
  @Override
  protected SearchStrategy strategy() {
    return new LookaheadSearchProvider()
        .create(new LookaheadSearchConfig(1, AutoInt.AUTO, 2, Answer.BEST));
  }

  @Test
  void costsItsLookahead() {
    // 4 candidates at 13 scales, each looked at 2 scales later; the parents' next scale is cached
    // but counts by the published convention.
    SearchTestKit.strategy("lookahead", new LookaheadSearchConfig(1, AutoInt.of(4), 2, Answer.BEST))
        .run()
        .hasSpent(4 * (13 + 11 * 2 + 1), 4 * 13);
  }
}
