package org.espalier.models.var;

import java.nio.file.Path;
import org.espalier.spi.GenerativeModel;
import org.espalier.testkit.ModelContract;
import org.junit.jupiter.api.io.TempDir;

/** A token a step. */
class JanusTokenContractTest extends ModelContract {
  @TempDir static Path directory;

  @Override
  protected GenerativeModel create() {
    return new JanusProvider()
        .load(TinyJanus.config(TinyJanus.write(directory), 1), TinyModel.context(directory));
  }
}
