package org.espalier.search.bestofn;

import org.espalier.api.SearchStrategy;
import org.espalier.api.StrategyCard;
import org.espalier.spi.StrategyProvider;

/**
 * Best-of-N: the same search as {@code random}, under the name it has beside autoregressive models
 * and in the diffusion literature (<a href="https://arxiv.org/abs/2501.09732">Ma et al. 2025</a>,
 * where it is search over starting noise without a neighbourhood).
 */
public final class BestOfNProvider implements StrategyProvider<BestOfNConfig> {
  @Override
  public String id() {
    return "best-of-n";
  }

  @Override
  public Class<BestOfNConfig> configType() {
    return BestOfNConfig.class;
  }

  @Override
  public SearchStrategy create(BestOfNConfig config) {
    return new IndependentSamples(
        StrategyCard.of(
            id(),
            "Independent samples, sized from the budget; the best by the search verifier.",
            "https://arxiv.org/abs/2501.09732"),
        config.n());
  }
}
