package org.espalier.search.bestofn;

import org.espalier.api.SearchStrategy;
import org.espalier.spi.StrategyProvider;

/** Makes search over paths (<a href="https://arxiv.org/abs/2501.09732">Ma et al. 2025</a>). */
public final class PathSearchProvider implements StrategyProvider<PathSearchConfig> {
  @Override
  public String id() {
    return "paths";
  }

  @Override
  public Class<PathSearchConfig> configType() {
    return PathSearchConfig.class;
  }

  @Override
  public SearchStrategy create(PathSearchConfig config) {
    return new PathSearch(config);
  }
}
