package org.espalier.testkit;

import org.espalier.spi.GenerativeModel;
import org.junit.jupiter.api.Nested;

class ToyFlowModelTest {
  @Nested
  class Ode extends ModelContract {
    @Override
    protected GenerativeModel create() {
      return ToyFlowModel.ode();
    }
  }

  @Nested
  class Sde extends ModelContract {
    @Override
    protected GenerativeModel create() {
      return ToyFlowModel.sde();
    }
  }
}
