package org.espalier.search.beam;

import org.espalier.api.Capability;
import org.espalier.api.SearchStrategy;
import org.espalier.api.StrategyCard;
import org.espalier.spi.StrategyProvider;

/** Makes particle steering (<a href="https://arxiv.org/abs/2501.06848">Singhal et al. 2025</a>). */
public final class ParticleSearchProvider implements StrategyProvider<ParticleSearchConfig> {
  @Override
  public String id() {
    return "particles";
  }

  @Override
  public Class<ParticleSearchConfig> configType() {
    return ParticleSearchConfig.class;
  }

  @Override
  public SearchStrategy create(ParticleSearchConfig config) {
    return new PopulationSearch(
        StrategyCard.of(
            id(),
            "Resamples a population by what its members show.",
            "https://arxiv.org/abs/2501.06848",
            Capability.STOCHASTIC_STEP,
            Capability.PREVIEW),
        config.particles(),
        new ParticleRoles(config));
  }
}
