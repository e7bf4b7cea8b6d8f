package org.espalier.search.bestofn;

import org.espalier.api.AutoInt;
import org.espalier.api.SearchStrategy;
import org.espalier.api.StrategyCard;
import org.espalier.spi.StrategyProvider;

/** One sample: the reference that every search has to beat. */
public final class SingleSampleProvider implements StrategyProvider<SingleSampleConfig> {
  @Override
  public String id() {
    return "single";
  }

  @Override
  public Class<SingleSampleConfig> configType() {
    return SingleSampleConfig.class;
  }

  @Override
  public SearchStrategy create(SingleSampleConfig config) {
    return new IndependentSamples(
        StrategyCard.of(
            id(), "One sample, verified: no search.", "https://arxiv.org/abs/2510.16751"),
        AutoInt.of(1));
  }
}
