package org.espalier.search.beam;

import org.espalier.api.SearchStrategy;
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
    return new TtsVarSearch(config);
  }
}
