package org.espalier.search.bestofn;

import org.espalier.api.SearchStrategy;
import org.espalier.testkit.StrategyContract;

class SingleSampleContractTest extends StrategyContract {
  @Override
  protected SearchStrategy strategy() {
    return new SingleSampleProvider().create(new SingleSampleConfig());
  }

  /** One sample cannot beat several. */
  @Override
  protected double beatsRandomAt() {
    return 0;
  }
}
