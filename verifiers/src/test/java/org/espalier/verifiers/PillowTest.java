package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import java.util.zip.CRC32;
import org.espalier.spi.RgbImage;
import org.espalier.verifiers.ImageTransform.CropRounding;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every pixel is that of Pillow, whose results {@code training/pillow_cases.py} stored: up, down
 * and to odd sizes, and CLIP's centre crops.
 */
class PillowTest {

  static Stream<JsonNode> cases() throws IOException {
    JsonNode cases = new ObjectMapper().readTree(resource("cases.json")).path("cases");
    assertThat(cases).hasSize(42);
    return StreamSupport.stream(cases.spliterator(), false);
  }

  private static byte[] resource(String name) throws IOException {
    try (InputStream in =
        Objects.requireNonNull(PillowTest.class.getResourceAsStream("/pillow/" + name))) {
      return in.readAllBytes();
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void agreesWithPillow(JsonNode stored) throws IOException {
    RgbImage image = formula(stored.path("width").asInt(), stored.path("height").asInt());

    byte[] pixels =
        stored.path("kind").asText().equals("resize")
            ? Resampling.valueOf(stored.path("filter").asText().toUpperCase(Locale.ROOT))
                .resize(image, stored.path("toWidth").asInt(), stored.path("toHeight").asInt())
                .rgb()
            : crop(image, stored.path("side").asInt(), stored.path("rounding").asText());

    int offset = stored.path("offset").asInt();
    byte[] expected =
        Arrays.copyOfRange(resource("cases.bin"), offset, offset + stored.path("length").asInt());
    CRC32 crc = new CRC32();
    crc.update(expected);
    assertThat(crc.getValue()).as("the stored result").isEqualTo(stored.path("crc32").asLong());
    assertThat(pixels).isEqualTo(expected);
  }

  private static byte[] crop(RgbImage image, int side, String rounding) {
    ImageTransform transform =
        new ImageTransform(
            new ImageTransform.Resize.ShortestEdge(side),
            Resampling.BICUBIC,
            List.of(side, side),
            CropRounding.valueOf(rounding.toUpperCase(Locale.ROOT)),
            1,
            List.of(0.0, 0.0, 0.0),
            List.of(1.0, 1.0, 1.0));
    float[] planes = transform.apply(image);
    byte[] rgb = new byte[planes.length];
    for (int i = 0; i < side * side; i++) {
      for (int c = 0; c < 3; c++) {
        rgb[3 * i + c] = (byte) (int) planes[c * side * side + i];
      }
    }
    return rgb;
  }

  /** The image that the script computes too. */
  private static RgbImage formula(int width, int height) {
    byte[] rgb = new byte[3 * width * height];
    int at = 0;
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        for (int c = 0; c < 3; c++) {
          int value = x * 7 + y * 13 + c * 29 + x * y % 31 * 5 + (x / 5 + y / 7) % 2 * 128;
          rgb[at++] = (byte) (value % 256);
        }
      }
    }
    return new RgbImage(width, height, rgb);
  }
}
