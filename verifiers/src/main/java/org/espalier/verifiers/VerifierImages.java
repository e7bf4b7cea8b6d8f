package org.espalier.verifiers;

import java.awt.image.BufferedImage;
import java.awt.image.Raster;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.stream.ImageInputStream;
import org.espalier.api.EspalierException;
import org.espalier.spi.RgbImage;

/** Reads image files for verifiers, with errors that say what is wrong before any network runs. */
public final class VerifierImages {
  /** The longest side, in pixels, that a verifier accepts. */
  public static final int LARGEST_SIDE = 8192;

  private VerifierImages() {}

  /**
   * Reads a PNG, JPEG, GIF, BMP or WBMP file as RGB, as Pillow's {@code convert("RGB")} does: an
   * alpha channel is dropped, grey is repeated.
   *
   * @param file the file
   * @throws EspalierException CONFIG where it is missing, empty, no image, damaged, or larger than
   *     {@link #LARGEST_SIDE}
   */
  public static RgbImage read(Path file) {
    if (!Files.isRegularFile(file)) {
      throw EspalierException.config(
          "The image " + file + (Files.exists(file) ? " is not a file." : " does not exist."),
          "Maybe the path is misspelt.");
    }
    try {
      if (Files.size(file) == 0) {
        throw EspalierException.config(
            "The image " + file + " is empty (0 bytes).", "Maybe whatever wrote it was stopped.");
      }
      try (ImageInputStream in = ImageIO.createImageInputStream(file.toFile())) {
        Iterator<ImageReader> readers = ImageIO.getImageReaders(in);
        if (!readers.hasNext()) {
          throw EspalierException.config(
              "The file " + file + " is no image of a known format.",
              "Maybe convert it to PNG or JPEG.");
        }
        ImageReader reader = readers.next();
        try {
          reader.setInput(in, true, true);
          // The header alone: a bomb of a file must not be unpacked first.
          requireSize(reader.getWidth(0), reader.getHeight(0), file.toString());
          return convert(reader.read(0));
        } finally {
          reader.dispose();
        }
      }
    } catch (IOException | IndexOutOfBoundsException | IllegalArgumentException e) {
      throw new EspalierException(
          EspalierException.Code.CONFIG,
          "The image " + file + " cannot be decoded: " + e.getMessage() + ".",
          "Maybe it is damaged or truncated; write it again.",
          e);
    }
  }

  /**
   * Refuses what is too large.
   *
   * @param width in pixels
   * @param height in pixels
   * @param what the image, for the message
   */
  static void requireSize(int width, int height, String what) {
    if (width > LARGEST_SIDE || height > LARGEST_SIDE) {
      throw EspalierException.config(
          "The image %s (%d x %d) is larger than %d pixels a side."
              .formatted(what, width, height, LARGEST_SIDE),
          "Maybe scale it down first; verifiers look at a few hundred pixels only.");
    }
  }

  private static RgbImage convert(BufferedImage image) {
    int width = image.getWidth();
    int height = image.getHeight();
    byte[] rgb = new byte[Math.multiplyExact(3 * width, height)];
    Raster raster = image.getRaster();
    // Java takes grey for linear light and would brighten it; Pillow repeats the value.
    boolean grey = image.getColorModel().getColorSpace().getNumComponents() == 1;
    int shift = Math.max(0, image.getColorModel().getComponentSize(0) - 8);
    int scale = grey ? 255 / ((1 << (image.getColorModel().getComponentSize(0) - shift)) - 1) : 1;
    int[] row = new int[width];
    for (int y = 0; y < height; y++) {
      if (grey) {
        raster.getSamples(0, y, width, 1, 0, row);
        for (int x = 0; x < width; x++) {
          int value = (row[x] >> shift) * scale;
          row[x] = value << 16 | value << 8 | value;
        }
      } else {
        image.getRGB(0, y, width, 1, row, 0, width);
      }
      for (int x = 0; x < width; x++) {
        int at = 3 * (y * width + x);
        rgb[at] = (byte) (row[x] >> 16);
        rgb[at + 1] = (byte) (row[x] >> 8);
        rgb[at + 2] = (byte) row[x];
      }
    }
    return new RgbImage(width, height, rgb);
  }
}
