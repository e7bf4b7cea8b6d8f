package org.espalier.models.diffusion;

import java.nio.file.Path;
import org.espalier.spi.GenerativeModel;
import org.espalier.testkit.ModelContract;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.io.TempDir;

/** Each sampler keeps the contract of models. */
@NullUnmarked
class FluxContractTest {
  private static GenerativeModel create(Path directory, String kind, boolean guided) {
    TinyFlux.bundle(
        directory.resolve("tiny"),
        guided ? TinyFlux.withoutGuidance() : TinyFlux.parity("weights"),
        "{\"steps\": 4" + (guided ? ", \"true_cfg\": 2.5" : "") + "}");
    return TinyFlux.load(
        TinyFlux.config("tiny", new FlowSamplerConfig(kind, null, null, null, null), null),
        directory);
  }

  @Nested
  class Ode extends ModelContract {
    @TempDir Path directory;

    @Override
    protected GenerativeModel create() {
      return FluxContractTest.create(directory, "ode", true);
    }
  }

  @Nested
  class Sde extends ModelContract {
    @TempDir Path directory;

    @Override
    protected GenerativeModel create() {
      return FluxContractTest.create(directory, "sde", true);
    }
  }

  @Nested
  class VpSde extends ModelContract {
    @TempDir Path directory;

    @Override
    protected GenerativeModel create() {
      return FluxContractTest.create(directory, "vp-sde", false);
    }
  }
}
