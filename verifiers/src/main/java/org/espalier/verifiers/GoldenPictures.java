package org.espalier.verifiers;

import java.util.Arrays;
import java.util.List;
import org.espalier.spi.RgbImage;

/**
 * Two pictures with one caption each. The caption of the one is false of the other: a judge that
 * does not look, or looks at the text alone, cannot be right about both.
 */
final class GoldenPictures {
  private static final int SIDE = 224;

  /**
   * A picture.
   *
   * @param image what is asked about
   * @param caption what it shows
   */
  record Golden(RgbImage image, String caption) {}

  /** The pictures, drawn here so that no file is needed. */
  static final List<Golden> ALL =
      List.of(
          new Golden(disc(), "a red circle on a white background"),
          new Golden(square(), "a blue square on a white background"));

  private GoldenPictures() {}

  private static RgbImage disc() {
    byte[] rgb = white();
    int centre = SIDE / 2;
    for (int y = 0; y < SIDE; y++) {
      for (int x = 0; x < SIDE; x++) {
        if (Math.hypot(x - centre, y - centre) < SIDE / 3.0) {
          paint(rgb, x, y, 220, 20, 20);
        }
      }
    }
    return new RgbImage(SIDE, SIDE, rgb);
  }

  private static RgbImage square() {
    byte[] rgb = white();
    for (int y = SIDE / 4; y < SIDE * 3 / 4; y++) {
      for (int x = SIDE / 4; x < SIDE * 3 / 4; x++) {
        paint(rgb, x, y, 20, 40, 220);
      }
    }
    return new RgbImage(SIDE, SIDE, rgb);
  }

  private static byte[] white() {
    byte[] rgb = new byte[3 * SIDE * SIDE];
    Arrays.fill(rgb, (byte) 0xff);
    return rgb;
  }

  private static void paint(byte[] rgb, int x, int y, int red, int green, int blue) {
    int at = 3 * (y * SIDE + x);
    rgb[at] = (byte) red;
    rgb[at + 1] = (byte) green;
    rgb[at + 2] = (byte) blue;
  }
}
