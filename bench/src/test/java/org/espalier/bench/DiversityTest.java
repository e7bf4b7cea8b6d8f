package org.espalier.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import org.espalier.spi.RgbImage;
import org.junit.jupiter.api.Test;

class DiversityTest {
  private static RgbImage gray(int value) {
    byte channel = (byte) value;
    return new RgbImage(1, 1, new byte[] {channel, channel, channel});
  }

  @Test
  void isTheMeanDistanceOfAllPairs() {
    assertThat(Diversity.inPixels(List.of(gray(9), gray(9)))).isZero();
    assertThat(Diversity.inPixels(List.of(gray(0), gray(255)))).isEqualTo(1);
    // pairs: 51, 102 and 153 of 255
    assertThat(Diversity.inPixels(List.of(gray(0), gray(51), gray(153))))
        .isCloseTo(0.4, within(1e-12));
    float[] east = {1, 0};
    float[] north = {0, 1};
    float[] west = {-1, 0};
    assertThat(Diversity.ofUnits(List.of(east, north, west)))
        .isCloseTo((1 + 1 + 2) / 3.0, within(1e-12));
    assertThatThrownBy(() -> Diversity.ofUnits(List.of(east)))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
