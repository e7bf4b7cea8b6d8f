package org.espalier.models.var;

import java.nio.file.Path;
import org.espalier.spi.GenerativeModel;
import org.espalier.testkit.ModelContract;
import org.junit.jupiter.api.io.TempDir;

/** A row of the raster a step. */
class JanusContractTest extends ModelContract {
  @TempDir static Path directory;

  @Override
  protected GenerativeModel create() {
    return new JanusProvider()
        .load(TinyJanus.config(TinyJanus.write(directory), 3), TinyModel.context(directory));
  }

  @Override
  protected boolean modeIsTheMostProbable() {
    return false;
  }
}
