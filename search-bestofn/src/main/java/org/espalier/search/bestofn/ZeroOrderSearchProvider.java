package org.espalier.search.bestofn;

import org.espalier.api.SearchStrategy;
import org.espalier.spi.StrategyProvider;

/**
 * Makes zero-order noise search (<a href="https://arxiv.org/abs/2501.09732">Ma et al. 2025</a>).
 */
public final class ZeroOrderSearchProvider implements StrategyProvider<ZeroOrderSearchConfig> {
  @Override
  public String id() {
    return "zero-order";
  }

  @Override
  public Class<ZeroOrderSearchConfig> configType() {
    return ZeroOrderSearchConfig.class;
  }

  @Override
  public SearchStrategy create(ZeroOrderSearchConfig config) {
    return new ZeroOrderSearch(config);
  }
}
