package org.espalier.models.var;

import org.espalier.spi.GenerativeModel;
import org.espalier.spi.LoadContext;
import org.espalier.spi.ModelProvider;

/** Loads Infinity under the id {@code infinity}. */
public final class InfinityProvider implements ModelProvider<InfinityConfig> {
  @Override
  public String id() {
    return "infinity";
  }

  @Override
  public Class<InfinityConfig> configType() {
    return InfinityConfig.class;
  }

  @Override
  public void check(InfinityConfig config, LoadContext context) {
    InfinityLoader.check(config, context);
  }

  @Override
  public GenerativeModel load(InfinityConfig config, LoadContext context) {
    return InfinityLoader.load(config, context);
  }
}
