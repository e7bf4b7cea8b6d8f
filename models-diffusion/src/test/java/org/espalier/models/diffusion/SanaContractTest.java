package org.espalier.models.diffusion;

import java.nio.file.Files;
import java.nio.file.Path;
import org.espalier.spi.GenerativeModel;
import org.espalier.testkit.ModelContract;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.io.TempDir;

/** SANA keeps the contract of models, with its own sampler and with noise. */
@NullUnmarked
class SanaContractTest {
  static GenerativeModel create(Path directory, String kind, boolean guided) {
    Path weights = directory.resolve("tiny");
    if (!Files.exists(weights)) {
      TinyPipeline.sana(weights);
    }
    return new SanaProvider()
        .load(
            new SanaConfig(
                "tiny",
                new FlowSamplerConfig(kind, 3, null, null, null),
                guided ? null : 1.0,
                null,
                guided ? "a red and green " : null,
                64,
                96,
                null,
                null,
                null,
                9),
            TinyFlux.context(directory));
  }

  @Nested
  class Multistep extends ModelContract {
    @TempDir Path directory;

    @Override
    protected GenerativeModel create() {
      return SanaContractTest.create(directory, null, true);
    }
  }

  @Nested
  class Sde extends ModelContract {
    @TempDir Path directory;

    @Override
    protected GenerativeModel create() {
      return SanaContractTest.create(directory, "sde", false);
    }
  }
}
