package org.espalier.verifiers;

import java.util.Random;
import org.espalier.spi.Artifact;
import org.espalier.spi.RgbImage;

/** Images for tests. */
final class Pictures {
  private Pictures() {}

  static RgbImage noise(int width, int height, long seed) {
    byte[] rgb = new byte[3 * width * height];
    new Random(seed).nextBytes(rgb);
    return new RgbImage(width, height, rgb);
  }

  static RgbImage transposed(RgbImage image) {
    byte[] rgb = new byte[image.rgb().length];
    for (int y = 0; y < image.height(); y++) {
      for (int x = 0; x < image.width(); x++) {
        for (int c = 0; c < 3; c++) {
          rgb[3 * (x * image.height() + y) + c] = (byte) image.at(x, y, c);
        }
      }
    }
    return new RgbImage(image.height(), image.width(), rgb);
  }

  /** An image that cannot be had. */
  static Artifact broken() {
    return new Artifact() {
      @Override
      public RgbImage image() {
        throw new IllegalStateException("the file is truncated");
      }

      @Override
      public void close() {}
    };
  }
}
