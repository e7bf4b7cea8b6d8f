package org.espalier.search.beam;

import org.espalier.api.SearchStrategy;
import org.espalier.spi.StrategyProvider;

/** Makes adaptive pruning, a method of this project. */
public final class AdaptivePruningProvider implements StrategyProvider<AdaptivePruningConfig> {
  @Override
  public String id() {
    return "adaptive-pruning";
  }

  @Override
  public Class<AdaptivePruningConfig> configType() {
    return AdaptivePruningConfig.class;
  }

  @Override
  public SearchStrategy create(AdaptivePruningConfig config) {
    return new AdaptivePruning(config);
  }
}
