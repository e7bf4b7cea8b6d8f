package org.espalier.search.beam;

import org.espalier.api.SearchStrategy;
import org.espalier.spi.StrategyProvider;

/**
 * Makes greedy token optimisation: beam search of width 1. At each step it tries some continuations
 * and commits to the one whose final image is best (<a
 * href="https://arxiv.org/abs/2510.16751">Riise et al. 2025</a>).
 */
public final class GreedySearchProvider implements StrategyProvider<GreedySearchConfig> {
  @Override
  public String id() {
    return "greedy";
  }

  @Override
  public Class<GreedySearchConfig> configType() {
    return GreedySearchConfig.class;
  }

  @Override
  public SearchStrategy create(GreedySearchConfig config) {
    return BeamSearchProvider.beam(
        id(),
        "Commits to the best continuation after every step.",
        "https://arxiv.org/abs/2510.16751",
        config.beam());
  }
}
