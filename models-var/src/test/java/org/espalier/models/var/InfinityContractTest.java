package org.espalier.models.var;

import java.nio.file.Path;
import org.espalier.spi.GenerativeModel;
import org.espalier.testkit.ModelContract;
import org.junit.jupiter.api.io.TempDir;

class InfinityContractTest extends ModelContract {
  @TempDir static Path directory;

  @Override
  protected GenerativeModel create() {
    return new InfinityProvider()
        .load(
            InfinityConfig.of(TinyModel.write(directory).toString()), TinyModel.context(directory));
  }
}
