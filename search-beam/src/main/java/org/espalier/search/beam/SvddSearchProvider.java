package org.espalier.search.beam;

import org.espalier.api.Capability;
import org.espalier.api.SearchStrategy;
import org.espalier.api.StrategyCard;
import org.espalier.spi.StrategyProvider;

/**
 * Makes soft value-based decoding (<a href="https://arxiv.org/abs/2408.08252">Li et al. 2024</a>).
 */
public final class SvddSearchProvider implements StrategyProvider<SvddSearchConfig> {
  @Override
  public String id() {
    return "svdd";
  }

  @Override
  public Class<SvddSearchConfig> configType() {
    return SvddSearchConfig.class;
  }

  @Override
  public SearchStrategy create(SvddSearchConfig config) {
    return new PopulationSearch(
        StrategyCard.of(
            id(),
            "Keeps the best of some children of every particle at every step.",
            "https://arxiv.org/abs/2408.08252",
            Capability.STOCHASTIC_STEP,
            Capability.PREVIEW),
        config.candidates(),
        new SvddRoles(config));
  }
}
