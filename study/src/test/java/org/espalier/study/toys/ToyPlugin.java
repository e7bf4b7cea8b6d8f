package org.espalier.study.toys;

import org.espalier.spi.LoadContext;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierProvider;

/** A verifier that no service file of this module names: tests copy it to a place of its own. */
public final class ToyPlugin implements VerifierProvider<ToyModels.TargetConfig> {
  @Override
  public String id() {
    return "toy-plugin";
  }

  @Override
  public Class<ToyModels.TargetConfig> configType() {
    return ToyModels.TargetConfig.class;
  }

  @Override
  public Verifier load(ToyModels.TargetConfig config, LoadContext context) {
    return new ToyModels.Target().load(config, context);
  }
}
