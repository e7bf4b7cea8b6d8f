package org.espalier.search.beam;

import org.espalier.api.Capability;
import org.espalier.api.SearchStrategy;
import org.espalier.api.StrategyCard;
import org.espalier.spi.StrategyProvider;

/** Makes {@link BeamSearch}. */
public final class BeamSearchProvider implements StrategyProvider<BeamSearchConfig> {
  @Override
  public String id() {
    return "beam";
  }

  @Override
  public Class<BeamSearchConfig> configType() {
    return BeamSearchConfig.class;
  }

  @Override
  public SearchStrategy create(BeamSearchConfig config) {
    return new BeamSearch(
        card(id(), "Keeps the best prefixes after every step.", config.preview()), config);
  }

  static StrategyCard card(String id, String summary, Preview preview) {
    String paper = "https://arxiv.org/abs/2510.16751";
    return preview == Preview.ROLLOUT
        ? StrategyCard.of(id, summary, paper, Capability.STOCHASTIC_STEP)
        : StrategyCard.of(id, summary, paper, Capability.STOCHASTIC_STEP, Capability.PREVIEW);
  }
}
