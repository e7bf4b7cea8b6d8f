package org.espalier.models.diffusion;

import java.nio.file.Files;
import java.nio.file.Path;
import org.espalier.spi.GenerativeModel;
import org.espalier.testkit.ModelContract;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.io.TempDir;

/** SD3.5 keeps the contract of models, distilled and guided. */
@NullUnmarked
class Sd3ContractTest {
  static GenerativeModel create(Path directory, String kind, boolean distilled) {
    Path weights = directory.resolve("tiny");
    if (!Files.exists(weights)) {
      TinyPipeline.sd3(weights);
    }
    return new Sd3Provider()
        .load(
            new Sd3Config(
                "tiny",
                distilled ? "turbo" : "base",
                new FlowSamplerConfig(kind, 3, null, null, null),
                distilled ? null : 4.5,
                distilled ? null : "blur",
                64,
                96,
                null,
                null,
                null,
                null,
                null,
                null,
                null,
                6),
            TinyFlux.context(directory));
  }

  @Nested
  class Distilled extends ModelContract {
    @TempDir Path directory;

    @Override
    protected GenerativeModel create() {
      return Sd3ContractTest.create(directory, "ode", true);
    }
  }

  @Nested
  class Guided extends ModelContract {
    @TempDir Path directory;

    @Override
    protected GenerativeModel create() {
      return Sd3ContractTest.create(directory, "sde", false);
    }
  }
}
