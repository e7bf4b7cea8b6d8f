package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Objects;
import java.util.zip.CRC32;
import javax.imageio.ImageIO;
import org.espalier.api.EspalierException;
import org.espalier.spi.RgbImage;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class VerifierImagesTest {
  private Path directory;

  @BeforeEach
  void useDirectory(@TempDir Path directory) {
    this.directory = directory;
  }

  private Path write(BufferedImage image, String name) throws IOException {
    Path file = directory.resolve(name);
    assertThat(ImageIO.write(image, "png", file.toFile())).isTrue();
    return file;
  }

  @Test
  void readsPixelsExactly() throws IOException {
    BufferedImage image = new BufferedImage(2, 1, BufferedImage.TYPE_INT_RGB);
    image.setRGB(0, 0, 0x010203);
    image.setRGB(1, 0, 0xfffefd);

    RgbImage read = VerifierImages.read(write(image, "a.png"));

    assertThat(read.width()).isEqualTo(2);
    assertThat(read.rgb()).containsExactly(1, 2, 3, 0xff, 0xfe, 0xfd);
  }

  @Test
  void dropsTheAlphaChannel() throws IOException {
    BufferedImage image = new BufferedImage(1, 1, BufferedImage.TYPE_INT_ARGB);
    image.setRGB(0, 0, 0x10203040);

    assertThat(VerifierImages.read(write(image, "a.png")).rgb()).containsExactly(0x20, 0x30, 0x40);
  }

  @Test
  void repeatsGrey() throws IOException {
    BufferedImage image = new BufferedImage(2, 1, BufferedImage.TYPE_BYTE_GRAY);
    image.getRaster().setSample(0, 0, 0, 100);
    image.getRaster().setSample(1, 0, 0, 255);

    assertThat(VerifierImages.read(write(image, "a.png")).rgb())
        .containsExactly(100, 100, 100, 0xff, 0xff, 0xff);
  }

  @Test
  void readsBlackAndWhite() throws IOException {
    BufferedImage image = new BufferedImage(2, 1, BufferedImage.TYPE_BYTE_BINARY);
    image.setRGB(1, 0, 0xffffff);

    assertThat(VerifierImages.read(write(image, "a.png")).rgb())
        .containsExactly(0, 0, 0, 0xff, 0xff, 0xff);
  }

  /** The expected numbers are of Pillow 12.3: the CRC-32 of convert("RGB").tobytes(). */
  @ParameterizedTest
  @CsvSource({
    "plain.jpg, 1631623536",
    "linear-profile.jpg, 1631623536",
    "cmyk.jpg, 2265424288",
    "cmyk-black.jpg, 1994598918",
    "ycck.jpg, 1353082803",
  })
  void readsJpegsAsPillowDoes(String name, long expected) throws IOException {
    CRC32 crc = new CRC32();
    crc.update(VerifierImages.read(resource(name)).rgb());
    assertThat(crc.getValue()).isEqualTo(expected);
  }

  private Path resource(String name) throws IOException {
    Path file = directory.resolve(name);
    if (!Files.exists(file)) {
      try (InputStream in =
          Objects.requireNonNull(VerifierImagesTest.class.getResourceAsStream("/images/" + name))) {
        Files.copy(in, file);
      }
    }
    return file;
  }

  /** Of a JPEG that ends too early the reader makes up the rest: before, that was judged. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 40, 800, 1500})
  void findsATruncatedJpegAtEveryLength(int missing) throws IOException {
    byte[] whole = Files.readAllBytes(resource("plain.jpg"));
    Path cut =
        Files.write(directory.resolve("cut.jpg"), Arrays.copyOf(whole, whole.length - missing));
    assertThatThrownBy(() -> VerifierImages.read(cut))
        .isInstanceOf(EspalierException.class)
        .hasMessageContaining("cut.jpg cannot be decoded: Truncated File");
  }

  @Test
  void saysWhatIsWrongWithAFile() throws IOException {
    assertThatThrownBy(() -> VerifierImages.read(directory.resolve("none.png")))
        .isInstanceOf(EspalierException.class)
        .hasMessage(
            "[CONFIG] The image "
                + directory.resolve("none.png")
                + " does not exist.\nMaybe the path is misspelt.");

    Path empty = Files.createFile(directory.resolve("empty.png"));
    assertThatThrownBy(() -> VerifierImages.read(empty)).hasMessageContaining("empty (0 bytes)");

    Path text = Files.writeString(directory.resolve("text.png"), "not a picture");
    assertThatThrownBy(() -> VerifierImages.read(text))
        .hasMessageContaining("is no image of a known format");

    byte[] whole =
        Files.readAllBytes(
            write(new BufferedImage(64, 64, BufferedImage.TYPE_INT_RGB), "whole.png"));
    Path cut = Files.write(directory.resolve("cut.png"), Arrays.copyOf(whole, whole.length / 2));
    assertThatThrownBy(() -> VerifierImages.read(cut))
        .isInstanceOf(EspalierException.class)
        .hasMessageContaining("cut.png cannot be decoded");

    assertThatThrownBy(() -> VerifierImages.read(directory)).hasMessageContaining("is not a file");
  }

  @Test
  void refusesALargeImageByItsHeader() throws IOException {
    Path file = write(new BufferedImage(8193, 1, BufferedImage.TYPE_BYTE_BINARY), "large.png");

    assertThatThrownBy(() -> VerifierImages.read(file))
        .isInstanceOf(EspalierException.class)
        .hasMessageContaining("(8193 x 1) is larger than 8192 pixels a side");
  }
}
