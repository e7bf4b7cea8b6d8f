package org.espalier.shapes;

import java.util.Objects;
import org.espalier.spi.LoadContext;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierProvider;
import org.espalier.torch.TorchEngine;
import org.espalier.torch.WeightsLocation;

/** Loads {@code shapes-exact}. */
public final class ShapesExactProvider implements VerifierProvider<ShapesExactConfig> {
  static final String ID = "shapes-exact";

  @Override
  public String id() {
    return ID;
  }

  @Override
  public Class<ShapesExactConfig> configType() {
    return ShapesExactConfig.class;
  }

  @Override
  public Verifier load(ShapesExactConfig config, LoadContext context) {
    String weights = Objects.requireNonNull(config.weights());
    return new ShapesExactVerifier(
        ShapesDetector.load(
            WeightsLocation.resolve(ID, weights, context), TorchEngine.device(context.device())),
        Objects.requireNonNull(config.score()));
  }
}
