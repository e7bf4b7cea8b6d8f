package org.espalier.search.beam;

import org.espalier.api.SearchStrategy;
import org.espalier.spi.StrategyProvider;

/**
 * Makes rollover budget forcing (<a href="https://arxiv.org/abs/2503.19385">Kim et al. 2025</a>).
 */
public final class RolloverSearchProvider implements StrategyProvider<RolloverSearchConfig> {
  @Override
  public String id() {
    return "rollover";
  }

  @Override
  public Class<RolloverSearchConfig> configType() {
    return RolloverSearchConfig.class;
  }

  @Override
  public SearchStrategy create(RolloverSearchConfig config) {
    return new RolloverSearch(config);
  }
}
