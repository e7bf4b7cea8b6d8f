package org.espalier.models.var;

import org.espalier.spi.GenerativeModel;
import org.espalier.spi.LoadContext;
import org.espalier.spi.ModelProvider;

/** Loads Janus-Pro under the id {@code janus}. */
public final class JanusProvider implements ModelProvider<JanusConfig> {
  @Override
  public String id() {
    return "janus";
  }

  @Override
  public Class<JanusConfig> configType() {
    return JanusConfig.class;
  }

  @Override
  public void check(JanusConfig config, LoadContext context) {
    JanusLoader.check(config, context);
  }

  @Override
  public GenerativeModel load(JanusConfig config, LoadContext context) {
    return JanusLoader.load(config, context);
  }
}
