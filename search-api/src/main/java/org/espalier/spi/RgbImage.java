package org.espalier.spi;

import org.espalier.api.EspalierException;

/**
 * An 8-bit RGB image. Verifiers judge exactly what would be saved as PNG, so a score taken during a
 * search equals the score of the file.
 *
 * @param width in pixels, positive
 * @param height in pixels, positive
 * @param rgb row-major, three bytes a pixel; not copied, so treat it as read-only
 */
public record RgbImage(int width, int height, byte[] rgb) {
  public RgbImage {
    if (width <= 0 || height <= 0 || rgb.length != 3L * width * height) {
      throw new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          "An image of %d x %d pixels has %d bytes instead of %d."
              .formatted(width, height, rgb.length, 3L * width * height),
          null);
    }
  }

  /**
   * One channel of one pixel, from 0 to 255.
   *
   * @param x column
   * @param y row
   * @param channel 0 red, 1 green, 2 blue
   */
  public int at(int x, int y, int channel) {
    return rgb[3 * (y * width + x) + channel] & 0xff;
  }

  /** The same image with pixels of its own. */
  public RgbImage copy() {
    return new RgbImage(width, height, rgb.clone());
  }
}
