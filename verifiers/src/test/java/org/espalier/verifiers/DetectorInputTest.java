package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.MissingNode;
import java.nio.file.Path;
import org.espalier.spi.RgbImage;
import org.espalier.weights.ModelJson;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DetectorInputTest {
  /** Sizes by transformers 5.18's own function, and by the rule of mmcv's imrescale. */
  @ParameterizedTest
  @CsvSource({
    "512, 512, 800, 800, 800, 800, 800, 800",
    "1024, 1024, 800, 800, 800, 800, 800, 800",
    "1024, 512, 1344, 672, 1344, 672, 1333, 667",
    "512, 1536, 448, 1344, 448, 1344, 444, 1333",
    "480, 640, 800, 1088, 800, 1088, 800, 1067",
    "333, 1000, 448, 1344, 448, 1344, 444, 1333",
    "1000, 601, 1344, 800, 1344, 800, 1331, 800",
    "64, 4000, 32, 1344, 32, 1344, 21, 1333",
    "801, 1333, 800, 1344, 800, 1344, 800, 1331",
  })
  void sizesAreThoseOfTheReferences(
      int height, int width, long h, long w, long paddedH, long paddedW, long shownH, long shownW) {
    DetectorInput transformers =
        DetectorInput.transformers(MissingNode.getInstance(), Path.of("."));
    assertThat(transformers.sides(height, width)).containsExactly(h, w);
    DetectorInput mmdet = DetectorInput.mmdet();
    assertThat(mmdet.sides(height, width)).containsExactly(paddedH, paddedW);
    DetectorInput.Prepared prepared = mmdet.prepare(Pictures.noise(width, height, 1));
    assertThat(prepared.shown()).containsExactly(shownH, shownW);
    assertThat(prepared.pixels()).hasSize((int) (3 * paddedH * paddedW));
  }

  @Test
  void whatIsFilledUpIsZeroAfterTheNormalisation() {
    byte[] rgb = new byte[3 * 30 * 40];
    java.util.Arrays.fill(rgb, (byte) 255);
    DetectorInput.Prepared prepared = DetectorInput.mmdet().prepare(new RgbImage(40, 30, rgb));
    assertThat(prepared.shown()).containsExactly(800, 1067);
    assertThat(prepared.padded()).containsExactly(800, 1088);
    assertThat(prepared.pixels()[1066]).isCloseTo((255 - 123.675f) / 58.395f, within());
    assertThat(prepared.pixels()[1067]).isZero();
    assertThat(prepared.pixels()[800 * 1088]).isCloseTo((255 - 116.28f) / 57.12f, within());
  }

  private static org.assertj.core.data.Offset<Float> within() {
    return org.assertj.core.data.Offset.offset(1e-4f);
  }

  @Test
  void oneSizeForAllPictures() {
    DetectorInput input =
        DetectorInput.transformers(
            ModelJson.parse("{\"size\": {\"height\": 384, \"width\": 380}, \"size_divisor\": 32}"),
            Path.of("."));
    assertThat(input.sides(100, 900)).containsExactly(384, 384);
  }

  @Test
  void damagedSettingsAreNamed() {
    assertThatThrownBy(
            () ->
                DetectorInput.transformers(
                    ModelJson.parse("{\"size\": {\"shortest_edge\": 800, \"longest_edge\": 0}}"),
                    Path.of(".")))
        .hasMessageStartingWith("[CONFIG] The sizes of a detector's input (0 pixels at most,");
  }
}
