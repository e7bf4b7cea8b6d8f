package org.espalier.search.beam;

import org.espalier.api.Capability;
import org.espalier.api.SearchStrategy;
import org.espalier.api.StrategyCard;
import org.espalier.spi.StrategyProvider;

/** Makes beam search (<a href="https://arxiv.org/abs/2510.16751">Riise et al. 2025</a>). */
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
    return beam(
        id(),
        "Keeps the best prefixes after every step.",
        "https://arxiv.org/abs/2510.16751",
        config);
  }

  /** A method of this family under its own name. */
  static SearchStrategy beam(String id, String summary, String paper, BeamSearchConfig config) {
    StrategyCard card =
        config.preview() == Preview.ROLLOUT
            ? StrategyCard.of(id, summary, paper, Capability.STOCHASTIC_STEP)
            : StrategyCard.of(id, summary, paper, Capability.STOCHASTIC_STEP, Capability.PREVIEW);
    return new PopulationSearch(card, config.candidates(), new BeamRoles(config));
  }
}
