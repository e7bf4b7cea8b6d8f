package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import org.espalier.api.EspalierException;
import org.espalier.spi.RgbImage;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class ResamplingTest {

  /**
   * Two bright and two dark quarters. The expected numbers are those that Pillow's own tests expect
   * of the top left quarter; the other quarters are its mirror images, bright and dark exchanged.
   */
  @ParameterizedTest
  @CsvSource({
    "BILINEAR, 8, 4, e1 c9 c9 b7",
    "BILINEAR, 2, 4, e1 b0 b0 98",
    "BICUBIC, 12, 6, e1 e3 d4 e3 e5 d6 d4 d6 c9",
    "BICUBIC, 4, 8, e1 e5 ee b9 e5 e9 f3 bc ee f3 fd c1 b9 bc c1 a2",
  })
  void agreesWithPillow(Resampling filter, int from, int to, String quarter) {
    RgbImage resized = filter.resize(quarters(from), to, to);

    int[] expected =
        Arrays.stream(quarter.split(" ")).mapToInt(hex -> Integer.parseInt(hex, 16)).toArray();
    for (int y = 0; y < to; y++) {
      for (int x = 0; x < to; x++) {
        int value = expected[Math.min(y, to - 1 - y) * to / 2 + Math.min(x, to - 1 - x)];
        boolean mirrored = (y < to / 2) != (x < to / 2);
        for (int c = 0; c < 3; c++) {
          assertThat(resized.at(x, y, c))
              .as("pixel %d, %d, channel %d", x, y, c)
              .isEqualTo(mirrored ? 255 - value : value);
        }
      }
    }
  }

  private static RgbImage quarters(int size) {
    byte[] rgb = new byte[3 * size * size];
    for (int i = 0; i < size * size; i++) {
      boolean bright = (i / size < size / 2) == (i % size < size / 2);
      Arrays.fill(rgb, 3 * i, 3 * i + 3, (byte) (bright ? 0xe1 : 255 - 0xe1));
    }
    return new RgbImage(size, size, rgb);
  }

  @ParameterizedTest
  @EnumSource(Resampling.class)
  void keepsAPlainImagePlain(Resampling filter) {
    byte[] rgb = new byte[3 * 37 * 53];
    Arrays.fill(rgb, (byte) 200);

    RgbImage resized = filter.resize(new RgbImage(37, 53, rgb), 24, 91);

    byte[] plain = new byte[3 * 24 * 91];
    Arrays.fill(plain, (byte) 200);
    assertThat(resized.rgb()).isEqualTo(plain);
  }

  @ParameterizedTest
  @EnumSource(Resampling.class)
  void leavesAnImageOfTheSameSizeAlone(Resampling filter) {
    RgbImage image = Pictures.noise(31, 17, 1);

    assertThat(filter.resize(image, 31, 17).rgb()).isEqualTo(image.rgb());
  }

  @ParameterizedTest
  @EnumSource(Resampling.class)
  void treatsRowsAndColumnsAlike(Resampling filter) {
    RgbImage image = Pictures.noise(40, 40, 2);

    RgbImage wide = filter.resize(image, 13, 40);
    RgbImage high = filter.resize(Pictures.transposed(image), 40, 13);

    assertThat(Pictures.transposed(high).rgb()).isEqualTo(wide.rgb());
  }

  @Test
  void averagesWhenShrinkingInsteadOfPickingPixels() {
    byte[] stripes = new byte[3 * 64 * 64];
    for (int i = 0; i < 64 * 64; i++) {
      Arrays.fill(stripes, 3 * i, 3 * i + 3, (byte) (i % 2 == 0 ? 0 : 255));
    }

    RgbImage small = Resampling.BICUBIC.resize(new RgbImage(64, 64, stripes), 8, 8);

    for (int x = 1; x < 7; x++) {
      assertThat(small.at(x, 4, 0)).isBetween(126, 129);
    }
  }

  @Test
  void knowsOnlyTheFiltersThatItHas() {
    assertThat(Resampling.ofPillow(2)).isEqualTo(Resampling.BILINEAR);
    assertThat(Resampling.ofPillow(3)).isEqualTo(Resampling.BICUBIC);
    assertThatThrownBy(() -> Resampling.ofPillow(0))
        .isInstanceOf(EspalierException.class)
        .hasMessage(
            "[CONFIG] The resampling filter (0) of preprocessor_config.json is unknown.\n"
                + "Maybe use 2 (bilinear) or 3 (bicubic).");
  }
}
