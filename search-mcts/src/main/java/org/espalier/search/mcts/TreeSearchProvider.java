package org.espalier.search.mcts;

import org.espalier.api.SearchStrategy;
import org.espalier.spi.StrategyProvider;

/** Makes Monte Carlo tree search. */
public final class TreeSearchProvider implements StrategyProvider<TreeSearchConfig> {
  @Override
  public String id() {
    return "mcts";
  }

  @Override
  public Class<TreeSearchConfig> configType() {
    return TreeSearchConfig.class;
  }

  @Override
  public SearchStrategy create(TreeSearchConfig config) {
    return new TreeSearch(config);
  }
}
