package org.espalier.search.beam;

import org.espalier.api.AutoInt;
import org.espalier.api.SearchStrategy;
import org.espalier.spi.StrategyProvider;

/**
 * Makes lookahead search: beam search whose prefixes are judged by what they show some steps later
 * (<a href="https://arxiv.org/abs/2604.15453">Search over tokens</a>; <a
 * href="https://arxiv.org/abs/2408.03314">Snell et al. 2024</a> for text).
 */
public final class LookaheadSearchProvider implements StrategyProvider<LookaheadSearchConfig> {
  @Override
  public String id() {
    return "lookahead";
  }

  @Override
  public Class<LookaheadSearchConfig> configType() {
    return LookaheadSearchConfig.class;
  }

  @Override
  public SearchStrategy create(LookaheadSearchConfig config) {
    return BeamSearchProvider.beam(
        id(),
        "Judges prefixes by what they show some steps later.",
        "https://arxiv.org/abs/2604.15453",
        new BeamSearchConfig(
            config.width(),
            config.candidates(),
            AutoInt.AUTO,
            Preview.LOOKAHEAD,
            config.steps(),
            1,
            config.answer(),
            false,
            config.at()));
  }
}
