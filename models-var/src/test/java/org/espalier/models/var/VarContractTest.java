package org.espalier.models.var;

import java.nio.file.Path;
import org.espalier.spi.GenerativeModel;
import org.espalier.testkit.ModelContract;
import org.junit.jupiter.api.io.TempDir;

class VarContractTest extends ModelContract {
  @TempDir static Path directory;

  @Override
  protected GenerativeModel create() {
    return new VarProvider()
        .load(TinyVar.config(TinyVar.write(directory), 1.5, 0, 0), TinyModel.context(directory));
  }
}
