package org.espalier.spi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import org.espalier.api.EspalierException;
import org.junit.jupiter.api.Test;

class NativeMemoryTest {
  @Test
  void aLimitIsReadInBytesOrLargerUnits() {
    assertThat(NativeMemory.unlimited().limit()).isZero();
    assertThat(NativeMemory.of("60GiB").limit()).isEqualTo(60L << 30);
    assertThat(NativeMemory.of(" 3 MiB").limit()).isEqualTo(3L << 20);
    assertThat(NativeMemory.of("17").limit()).isEqualTo(17);
    for (String wrong : new String[] {"much", "", "-1GiB", "1.5GiB", "9999999999", "1TiB"}) {
      assertThatThrownBy(() -> NativeMemory.of(wrong))
          .isInstanceOf(EspalierException.class)
          .hasMessage(
              "[CONFIG] The memory (%s) is not a valid size.\nMaybe set memory to 60GiB or 800MiB.",
              wrong);
    }
    assertThatThrownBy(() -> NativeMemory.of("0")).hasMessageContaining("must be positive");
  }

  @Test
  void contextsOfOneBuilderShareTheirAccountAndTwoBuildersHaveOneEach() {
    LoadContext first = LoadContext.cpu();
    first.memory().add(5);
    assertThat(first.withVerifiers(NativeMemoryTest::none).memory().used()).isEqualTo(5);
    assertThat(LoadContext.cpu().memory().used()).isZero();
  }

  private static Verifier none(Map<String, Object> spec) {
    throw new AssertionError("no verifier is asked for");
  }
}
