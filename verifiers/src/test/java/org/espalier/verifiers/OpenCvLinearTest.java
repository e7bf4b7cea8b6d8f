package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Objects;
import org.espalier.spi.RgbImage;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Compares with pictures that OpenCV 5.0.0 resized with {@code INTER_LINEAR}. */
class OpenCvLinearTest {
  private static RgbImage picture(String name) throws Exception {
    return VerifierImages.read(
        Path.of(
            Objects.requireNonNull(OpenCvLinearTest.class.getResource("/opencv/" + name)).toURI()));
  }

  @ParameterizedTest
  @ValueSource(strings = {"enlarged.png", "reduced.png"})
  void isAtMostOneLevelAway(String name) throws Exception {
    RgbImage expected = picture(name);
    RgbImage actual =
        OpenCvLinear.resize(picture("source.png"), expected.width(), expected.height());
    int different = 0;
    for (int i = 0; i < expected.rgb().length; i++) {
      int error = Math.abs((actual.rgb()[i] & 0xff) - (expected.rgb()[i] & 0xff));
      assertThat(error).as("byte %d", i).isLessThanOrEqualTo(1);
      different += error;
    }
    assertThat(different).isLessThan(expected.rgb().length / 100);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 7})
  void keepsOneColour(int side) {
    byte[] rgb = new byte[3 * 5 * 4];
    java.util.Arrays.fill(rgb, (byte) 201);
    assertThat(OpenCvLinear.resize(new RgbImage(5, 4, rgb), side, side + 1).rgb())
        .containsOnly((byte) 201);
  }
}
