package org.espalier.models.diffusion;

import java.nio.file.Files;
import java.nio.file.Path;
import org.espalier.spi.GenerativeModel;
import org.espalier.testkit.ModelContract;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.io.TempDir;

/** FLUX.2 keeps the contract of models, distilled and guided. */
@NullUnmarked
class Flux2ContractTest {
  static GenerativeModel create(Path directory, String kind, boolean distilled) {
    Path weights = directory.resolve("tiny");
    if (!Files.exists(weights)) {
      TinyPipeline.flux2(weights, distilled);
    }
    return new Flux2Provider()
        .load(
            new Flux2Config(
                "tiny",
                null,
                new FlowSamplerConfig(kind, 3, null, null, null),
                null,
                distilled ? null : "blur",
                64,
                96,
                null,
                null,
                null,
                20),
            TinyFlux.context(directory));
  }

  @Nested
  class Distilled extends ModelContract {
    @TempDir Path directory;

    @Override
    protected GenerativeModel create() {
      return Flux2ContractTest.create(directory, "ode", true);
    }
  }

  @Nested
  class Guided extends ModelContract {
    @TempDir Path directory;

    @Override
    protected GenerativeModel create() {
      return Flux2ContractTest.create(directory, "sde", false);
    }
  }
}
