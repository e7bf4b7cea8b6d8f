package org.espalier.models.diffusion;

import java.nio.file.Files;
import java.nio.file.Path;
import org.espalier.spi.GenerativeModel;
import org.espalier.testkit.ModelContract;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.io.TempDir;

/** Z-Image keeps the contract of models, distilled and guided. */
@NullUnmarked
class ZImageContractTest {
  static GenerativeModel create(Path directory, String kind, boolean distilled) {
    Path weights = directory.resolve("tiny");
    if (!Files.exists(weights)) {
      TinyPipeline.zimage(weights);
    }
    return new ZImageProvider()
        .load(
            new ZImageConfig(
                "tiny",
                distilled ? "turbo" : "base",
                new FlowSamplerConfig(kind, 3, null, null, null),
                distilled ? null : 2.0,
                distilled ? null : 0.9,
                distilled ? null : "a very long list of what is not wanted here",
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
      return ZImageContractTest.create(directory, "ode", true);
    }
  }

  @Nested
  class Guided extends ModelContract {
    @TempDir Path directory;

    @Override
    protected GenerativeModel create() {
      return ZImageContractTest.create(directory, "sde", false);
    }
  }
}
