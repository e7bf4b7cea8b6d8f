package org.espalier.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import org.espalier.spi.GenerativeModel;
import org.junit.jupiter.api.Test;

class ToyScaleModelTest extends ModelContract {
  @Override
  protected GenerativeModel create() {
    return new ToyScaleModel();
  }

  @Test
  void hasTheScalesOfInfinity() {
    assertThat(new ToyScaleModel().card().horizon()).isEqualTo(13);
    assertThat(new ToyScaleModel().totalTokens()).isEqualTo(10521);
  }
}
