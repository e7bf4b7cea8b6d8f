package org.espalier.models.var;

import java.nio.file.Path;
import org.espalier.spi.GenerativeModel;
import org.espalier.testkit.ModelContract;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.io.TempDir;

class JanusContractTest {
  @TempDir static Path directory;

  private static GenerativeModel load(int stepTokens) {
    return new JanusProvider()
        .load(
            TinyJanus.config(TinyJanus.write(directory), stepTokens), TinyModel.context(directory));
  }

  @Nested
  class RowByRow extends ModelContract {
    @Override
    protected GenerativeModel create() {
      return load(3);
    }

    @Override
    protected boolean modeIsTheMostProbable() {
      return false;
    }
  }

  @Nested
  class TokenByToken extends ModelContract {
    @Override
    protected GenerativeModel create() {
      return load(1);
    }
  }
}
