package org.espalier.search.mcts;

import org.espalier.api.SearchStrategy;
import org.espalier.spi.StrategyProvider;

/** Makes diffusion tree sampling. */
public final class DiffusionTreeSamplingProvider
    implements StrategyProvider<DiffusionTreeSamplingConfig> {
  @Override
  public String id() {
    return "diffusion-tree-sampling";
  }

  @Override
  public Class<DiffusionTreeSamplingConfig> configType() {
    return DiffusionTreeSamplingConfig.class;
  }

  @Override
  public SearchStrategy create(DiffusionTreeSamplingConfig config) {
    return new DiffusionTreeSampling(config);
  }
}
