package org.espalier.spi;

import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import javax.imageio.ImageIO;
import org.espalier.api.EspalierException;

/** Images as bytes of PNG and JPEG files, and as Java draws them. */
public final class ImageFiles {
  static {
    ImageIO.setUseCache(false);
  }

  private ImageFiles() {}

  /**
   * PNG bytes.
   *
   * @param image any image
   */
  public static byte[] png(RgbImage image) {
    return encode(buffered(image), "png");
  }

  /**
   * Bytes of a file.
   *
   * @param image any image
   * @param format {@code png} or {@code jpeg}
   */
  public static byte[] encode(BufferedImage image, String format) {
    try {
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      if (!ImageIO.write(image, format, out)) {
        throw new IOException("no writer for " + format);
      }
      return out.toByteArray();
    } catch (IOException e) {
      throw new EspalierException(
          EspalierException.Code.RESOURCE, "An image cannot be encoded: " + e + ".", null, e);
    }
  }

  /**
   * An image as Java's own drawing takes it.
   *
   * @param image any image
   */
  public static BufferedImage buffered(RgbImage image) {
    BufferedImage result =
        new BufferedImage(image.width(), image.height(), BufferedImage.TYPE_INT_RGB);
    int[] row = new int[image.width()];
    for (int y = 0; y < image.height(); y++) {
      for (int x = 0; x < image.width(); x++) {
        row[x] = image.at(x, y, 0) << 16 | image.at(x, y, 1) << 8 | image.at(x, y, 2);
      }
      result.setRGB(0, y, image.width(), 1, row, 0, image.width());
    }
    return result;
  }

  /**
   * An image scaled down, bicubically, until its longest side fits; never up.
   *
   * @param image any image
   * @param side the longest side in pixels
   */
  public static BufferedImage scaled(BufferedImage image, int side) {
    int longest = Math.max(image.getWidth(), image.getHeight());
    if (longest <= side) {
      return image;
    }
    int width = Math.max(1, image.getWidth() * side / longest);
    int height = Math.max(1, image.getHeight() * side / longest);
    BufferedImage result = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    Graphics2D graphics = result.createGraphics();
    graphics.setRenderingHint(
        RenderingHints.KEY_INTERPOLATION, RenderingHints.VALUE_INTERPOLATION_BICUBIC);
    graphics.drawImage(image, 0, 0, width, height, null);
    graphics.dispose();
    return result;
  }

  /**
   * Writes an image as PNG; an existing file is replaced.
   *
   * @param image the image
   * @param file where
   * @throws EspalierException RESOURCE if it cannot be written
   */
  public static void write(RgbImage image, Path file) {
    try {
      Files.write(file, png(image));
    } catch (IOException e) {
      throw new EspalierException(
          EspalierException.Code.RESOURCE,
          "The image (" + file + ") cannot be written: " + e.getMessage() + ".",
          "Maybe check that its directory exists and may be written.",
          e);
    }
  }
}
