package org.espalier.examples;

import org.espalier.api.SearchStrategy;
import org.espalier.spi.StrategyProvider;

/** Makes satisficing searches; named in {@code META-INF/services}. */
public final class SatisficingSearchProvider implements StrategyProvider<SatisficingSearchConfig> {
  @Override
  public String id() {
    return "satisficing";
  }

  @Override
  public Class<SatisficingSearchConfig> configType() {
    return SatisficingSearchConfig.class;
  }

  @Override
  public SearchStrategy create(SatisficingSearchConfig config) {
    return new SatisficingSearch(config);
  }
}
