package org.espalier.models.var;

import org.espalier.spi.GenerativeModel;
import org.espalier.spi.LoadContext;
import org.espalier.spi.ModelProvider;

/** Loads VAR under the id {@code var}. */
public final class VarProvider implements ModelProvider<VarConfig> {
  @Override
  public String id() {
    return "var";
  }

  @Override
  public Class<VarConfig> configType() {
    return VarConfig.class;
  }

  @Override
  public void check(VarConfig config, LoadContext context) {
    VarLoader.check(config, context);
  }

  @Override
  public GenerativeModel load(VarConfig config, LoadContext context) {
    return VarLoader.load(config, context);
  }
}
