package org.espalier.shapes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.espalier.spi.RgbImage;
import org.espalier.torch.Device;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ShapesDetectorTest {
  private static final ShapesDetector.Rules RULES = new ShapesDetector.Rules(64, 0.4f, 5, 8, 4f);

  private final Path temp;

  ShapesDetectorTest(@TempDir Path temp) {
    this.temp = temp;
  }

  /** Cells in which nothing is seen. */
  private static float[] empty() {
    float[] cells = new float[24 * 256];
    Arrays.fill(cells, 0, 256, -10);
    return cells;
  }

  private static void put(float[] cells, int x, int y, float heat, int shape, int color) {
    int cell = 16 * y + x;
    cells[cell] = heat;
    cells[(1 + shape) * 256 + cell] = 3;
    cells[(9 + color) * 256 + cell] = 3;
    cells[18 * 256 + cell] = 3; // striped
    cells[21 * 256 + cell] = 3; // large
    cells[22 * 256 + cell] = 0.25f;
    cells[23 * 256 + cell] = -0.5f;
  }

  @Test
  void decodesAPeak() {
    float[] cells = empty();
    put(cells, 3, 12, 2, Shape.HEART.ordinal(), Color.PINK.ordinal());
    List<DetectedObject> seen = ShapesDetector.decode(cells, RULES);
    assertThat(seen).hasSize(1);
    assertThat(seen.get(0).confidence()).isCloseTo(1 / (1 + Math.exp(-2)), within(1e-6));
    assertThat(seen.get(0))
        .usingRecursiveComparison()
        .ignoringFields("confidence")
        .isEqualTo(
            new DetectedObject(
                Shape.HEART, Color.PINK, Texture.STRIPED, Size.LARGE, 4 * 3.75, 4 * 12.0, 0));
  }

  @Test
  void keepsTheHighestCellOfAWindow() {
    float[] cells = empty();
    put(cells, 5, 5, 2, 0, 0);
    put(cells, 7, 7, 3, 1, 1); // two cells away: in the window
    put(cells, 5, 10, 1, 2, 2); // three and five cells away: a peak of its own
    put(cells, 15, 0, -0.5f, 3, 3); // below the threshold
    put(cells, 0, 0, -0.3f, 4, 4); // sigmoid(-0.3) = 0.43: above it
    assertThat(ShapesDetector.decode(cells, RULES))
        .extracting(DetectedObject::shape)
        .containsExactly(Shape.SQUARE, Shape.TRIANGLE, Shape.CROSS);
  }

  @Test
  void keepsTheHottestEight() {
    float[] cells = empty();
    for (int i = 0; i < 9; i++) {
      put(cells, 3 * (i % 5), 4 * (i / 5), 1 + 0.1f * i, i % 7, i % 8);
    }
    List<DetectedObject> seen = ShapesDetector.decode(cells, RULES);
    assertThat(seen).hasSize(8);
    assertThat(seen.get(0).color()).isEqualTo(Color.RED);
    assertThat(seen.get(0).confidence()).isGreaterThan(seen.get(7).confidence());
    assertThat(seen.get(7).color()).isEqualTo(Color.ORANGE);
  }

  @Test
  void somethingOfNoKnownShapeHasNone() {
    float[] cells = empty();
    put(cells, 8, 8, 2, 7, 0);
    cells[8 * 256 + 16 * 8 + 8] = 4.5f; // "other", above the margin over shapes at 0
    assertThat(ShapesDetector.decode(cells, RULES).get(0).shape()).isNull();
  }

  @Test
  void otherMustExceedTheShapesByTheMargin() {
    float[] cells = empty();
    put(cells, 8, 8, 2, Shape.RING.ordinal(), 0);
    cells[8 * 256 + 16 * 8 + 8] = 6.5f; // 3.5 above the ring
    assertThat(ShapesDetector.decode(cells, RULES).get(0).shape()).isEqualTo(Shape.RING);
    cells[8 * 256 + 16 * 8 + 8] = 7.5f; // 4.5 above it
    assertThat(ShapesDetector.decode(cells, RULES).get(0).shape()).isNull();
  }

  @Test
  void countsFlops() throws IOException {
    try (ShapesDetector detector = ShapesDetector.load(RandomDetector.write(temp), Device.cpu())) {
      // Products of the stem, block0, down0, block1, down1, one block and the head, by hand.
      assertThat(detector.flops())
          .isEqualTo(
              2L * 4096 * 27 * 8
                  + 2 * (2L * 4096 * 72 * 8)
                  + 2L * 1024 * 128 * 16
                  + 2 * (2L * 1024 * 144 * 16)
                  + 2L * 256 * 256 * 24
                  + 2 * (2L * 256 * 216 * 24)
                  + 2L * 256 * 216 * 24);
    }
  }

  @Test
  void anImageOfAnotherSizeIsRefused() throws IOException {
    try (ShapesDetector detector = ShapesDetector.load(RandomDetector.write(temp), Device.cpu())) {
      RgbImage wide = new RgbImage(128, 64, new byte[3 * 128 * 64]);
      assertThatThrownBy(() -> detector.detect(List.of(wide)))
          .hasMessage(
              "[CONFIG] The image has 128 x 64 pixels; the evaluator judges 64 x 64.\n"
                  + "Maybe it is not a picture of the shapes world.");
    }
  }

  @Test
  void badConfigurationsAreRefused() throws IOException {
    Path config = RandomDetector.write(temp).resolve("config.json");
    String good = Files.readString(config);
    Files.writeString(config, good.replace("\"ring\",", ""));
    assertThatThrownBy(() -> ShapesDetector.load(temp, Device.cpu()))
        .hasMessageStartingWith("[CONFIG] " + config + ": shapes ([circle, ");
    Files.writeString(config, good.replace("0.4", "\"high\""));
    assertThatThrownBy(() -> ShapesDetector.load(temp, Device.cpu()))
        .hasMessageStartingWith(
            "[CONFIG] " + config + ": heat_threshold (\"high\") must be a positive number.");
    Files.writeString(config, "{");
    assertThatThrownBy(() -> ShapesDetector.load(temp, Device.cpu()))
        .hasMessageContaining("config.json is not valid JSON");
    Files.delete(config);
    assertThatThrownBy(() -> ShapesDetector.load(temp, Device.cpu()))
        .hasMessageStartingWith("[CONFIG] The detector's configuration (" + config + ") does not");
  }

  @Test
  void aLayerTooManyIsRefused() throws IOException {
    RandomDetector.write(temp, "block9.conv1.weight");
    assertThatThrownBy(() -> ShapesDetector.load(temp, Device.cpu()))
        .hasMessageStartingWith("[CONFIG] The weights ")
        .hasMessageContaining("block9.conv1.weight");
  }
}
