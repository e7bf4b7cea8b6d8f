package org.espalier.search.bestofn;

import org.espalier.api.SearchStrategy;
import org.espalier.api.StrategyCard;
import org.espalier.spi.StrategyProvider;

/**
 * Random search as published: n full images from n seeds, keep the best by the verifier (<a
 * href="https://arxiv.org/abs/2510.16751">Riise et al. 2025</a>). Costs n samples.
 */
public final class RandomSearchProvider implements StrategyProvider<RandomSearchConfig> {
  @Override
  public String id() {
    return "random";
  }

  @Override
  public Class<RandomSearchConfig> configType() {
    return RandomSearchConfig.class;
  }

  @Override
  public SearchStrategy create(RandomSearchConfig config) {
    return new IndependentSamples(
        StrategyCard.of(
            id(),
            "Independent samples; the best by the search verifier.",
            "https://arxiv.org/abs/2510.16751"),
        config.n());
  }
}
