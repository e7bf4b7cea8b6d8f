package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.espalier.api.EspalierException;
import org.espalier.spi.RgbImage;
import org.espalier.verifiers.ImageTransform.CropRounding;
import org.espalier.verifiers.ImageTransform.Resize;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ImageTransformTest {
  private Path directory;

  @BeforeEach
  void useDirectory(@TempDir Path directory) {
    this.directory = directory;
  }

  private static ImageTransform plain(Resize resize, List<Integer> crop, CropRounding rounding) {
    return new ImageTransform(
        resize,
        Resampling.BILINEAR,
        crop,
        rounding,
        1,
        List.of(0.0, 0.0, 0.0),
        List.of(1.0, 1.0, 1.0));
  }

  @Test
  void putsChannelsInPlanesAndNormalises() {
    RgbImage image = new RgbImage(2, 1, new byte[] {0, 51, 102, (byte) 255, (byte) 204, 0});
    ImageTransform transform =
        new ImageTransform(
            new Resize.None(),
            Resampling.BICUBIC,
            List.of(),
            CropRounding.DOWN,
            1 / 255.0,
            List.of(0.5, 0.2, 0.0),
            List.of(0.5, 0.1, 2.0));

    assertThat(transform.apply(image))
        .containsExactly(new float[] {-1, 1, 0, 6, 0.2f, 0}, within(1e-6f));
  }

  @Test
  void cutsAnOddMarginAsTheReferenceDoes() {
    byte[] rgb = new byte[3 * 7];
    for (int x = 0; x < 7; x++) {
      rgb[3 * x] = (byte) x;
    }
    RgbImage image = new RgbImage(7, 1, rgb);

    // 7 - 4 = 3 columns too many: transformers drop one on the left, torchvision two.
    float[] down = plain(new Resize.None(), List.of(4, 1), CropRounding.DOWN).apply(image);
    float[] even = plain(new Resize.None(), List.of(4, 1), CropRounding.HALF_EVEN).apply(image);

    assertThat(down).startsWith(1, 2, 3, 4);
    assertThat(even).startsWith(2, 3, 4, 5);
  }

  @Test
  void padsWithBlackWhereTheCropIsLarger() {
    RgbImage image = new RgbImage(1, 1, new byte[] {9, 9, 9});

    float[] out = plain(new Resize.None(), List.of(3, 3), CropRounding.DOWN).apply(image);

    assertThat(out).startsWith(0, 0, 0, 0, 9, 0, 0, 0, 0).hasSize(27);
  }

  @Test
  void roundsTheLongerEdgeDown() {
    ImageTransform transform = plain(new Resize.ShortestEdge(10), List.of(), CropRounding.DOWN);

    // 10 * 20 / 13 = 15.38
    assertThat(transform.apply(Pictures.noise(13, 20, 1))).hasSize(3 * 10 * 15);
    assertThat(transform.apply(Pictures.noise(20, 13, 1))).hasSize(3 * 15 * 10);
  }

  @Test
  void refusesAnImageOutOfAllProportion() {
    assertThatThrownBy(
            () -> ImageTransform.clip(224, CropRounding.DOWN).apply(Pictures.noise(8192, 1, 1)))
        .isInstanceOf(EspalierException.class)
        .hasMessageContaining("8192 x 1 pixels is too long and thin");
  }

  @Test
  void readsThePreprocessorConfiguration() throws IOException {
    Path file = directory.resolve("preprocessor_config.json");
    Files.writeString(
        file,
        """
        {"do_resize": true, "size": {"height": 48, "width": 32}, "resample": 2,
         "do_center_crop": false, "crop_size": 224, "rescale_factor": 0.5,
         "image_mean": [1, 2, 3], "image_std": [4, 5, 6]}
        """);

    ImageTransform transform =
        ImageTransform.read(file, ImageTransform.clip(224, CropRounding.DOWN));

    assertThat(transform)
        .isEqualTo(
            new ImageTransform(
                new Resize.Exact(32, 48),
                Resampling.BILINEAR,
                List.of(),
                CropRounding.DOWN,
                0.5,
                List.of(1.0, 2.0, 3.0),
                List.of(4.0, 5.0, 6.0)));
    assertThat(transform.fits(32)).isFalse();
  }

  @Test
  void readsTheFormsThatClipCheckpointsUse() throws IOException {
    Path file = directory.resolve("preprocessor_config.json");
    ImageTransform defaults = ImageTransform.clip(64, CropRounding.DOWN);
    ImageTransform expected = ImageTransform.clip(224, CropRounding.DOWN);

    Files.writeString(file, "{\"size\": 224, \"crop_size\": 224, \"resample\": 3}");
    assertThat(ImageTransform.read(file, defaults)).isEqualTo(expected);

    Files.writeString(
        file,
        "{\"size\": {\"shortest_edge\": 224}, \"crop_size\": {\"height\": 224, \"width\": 224}}");
    assertThat(ImageTransform.read(file, defaults)).isEqualTo(expected);
    assertThat(expected.fits(224)).isTrue();
  }

  @Test
  void usesTheDefaultsWithoutAFile() {
    ImageTransform defaults = ImageTransform.clip(64, CropRounding.HALF_EVEN);

    assertThat(ImageTransform.read(directory.resolve("none.json"), defaults)).isSameAs(defaults);
  }

  @Test
  void saysWhatIsWrongWithAFile() throws IOException {
    Path file = directory.resolve("preprocessor_config.json");
    ImageTransform defaults = ImageTransform.clip(64, CropRounding.DOWN);

    Files.writeString(file, "{\"size\": {\"longest_edge\": 224}}");
    assertThatThrownBy(() -> ImageTransform.read(file, defaults))
        .hasMessageContaining("The size ({\"longest_edge\":224}) in " + file)
        .hasMessageContaining("Maybe use a number");

    Files.writeString(file, "{\"image_std\": [0, 1, 1]}");
    assertThatThrownBy(() -> ImageTransform.read(file, defaults))
        .hasMessageContaining("[0.0, 1.0, 1.0]");

    Files.writeString(file, "{");
    assertThatThrownBy(() -> ImageTransform.read(file, defaults))
        .hasMessageContaining("is not valid JSON at line 1");

    Files.writeString(file, "{\"size\": 100000}");
    assertThatThrownBy(() -> ImageTransform.read(file, defaults))
        .hasMessageContaining("The size (100000)");
  }
}
