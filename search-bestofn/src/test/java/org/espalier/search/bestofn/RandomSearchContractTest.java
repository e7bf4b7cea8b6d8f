package org.espalier.search.bestofn;

import org.espalier.api.AutoInt;
import org.espalier.api.SearchStrategy;
import org.espalier.testkit.StrategyContract;

class RandomSearchContractTest extends StrategyContract {
  @Override
  protected SearchStrategy strategy() {
    return new RandomSearchProvider().create(new RandomSearchConfig(AutoInt.of(3)));
  }

  /** It is what the others have to beat. */
  @Override
  protected double beatsRandomAt() {
    return 0;
  }
}
