package org.espalier.search.beam;

import org.espalier.api.Capability;
import org.espalier.api.SearchStrategy;
import org.espalier.api.StrategyCard;
import org.espalier.spi.StrategyProvider;

/** Makes TTS-VAR (<a href="https://arxiv.org/abs/2507.18537">Chen et al. 2025</a>). */
public final class TtsVarSearchProvider implements StrategyProvider<TtsVarSearchConfig> {
  @Override
  public String id() {
    return "tts-var";
  }

  @Override
  public Class<TtsVarSearchConfig> configType() {
    return TtsVarSearchConfig.class;
  }

  @Override
  public SearchStrategy create(TtsVarSearchConfig config) {
    return new PopulationSearch(
        StrategyCard.of(
            id(),
            "A shrinking population: first chosen for diversity, then by score.",
            "https://arxiv.org/abs/2507.18537",
            Capability.STOCHASTIC_STEP,
            Capability.PREVIEW),
        config.n(),
        new TtsVarRoles(config));
  }
}
