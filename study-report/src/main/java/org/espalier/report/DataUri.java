package org.espalier.report;

import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import javax.imageio.ImageIO;
import org.espalier.records.WholeFile;
import org.espalier.spi.ImageFiles;

/** Images that lie in the page itself. */
final class DataUri {
  private DataUri() {}

  /**
   * A PNG file as data URI; larger ones are scaled down and become JPEG.
   *
   * @param file a PNG file
   * @param side the longest side in pixels that is left as it is
   * @param lossy whether smaller ones become JPEG too
   */
  static String of(Path file, int side, boolean lossy) {
    try {
      byte[] bytes = Files.readAllBytes(file);
      BufferedImage image = ImageIO.read(new ByteArrayInputStream(bytes));
      if (image == null) {
        throw new IOException("not an image");
      }
      boolean asItIs = !lossy && Math.max(image.getWidth(), image.getHeight()) <= side;
      return "data:image/"
          + (asItIs ? "png" : "jpeg")
          + ";base64,"
          + Base64.getEncoder()
              .encodeToString(
                  asItIs ? bytes : ImageFiles.encode(ImageFiles.scaled(image, side), "jpeg"));
    } catch (IOException e) {
      throw WholeFile.problem(file, e);
    }
  }
}
