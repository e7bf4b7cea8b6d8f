package org.espalier.verifiers;

import org.espalier.spi.RgbImage;

/**
 * Bilinear resizing as OpenCV does it for 8-bit images: between the two nearest pixels in each
 * direction, without antialiasing, in fixed-point numbers of 11 bits. At most one level away from
 * {@code cv2.resize} with {@code INTER_LINEAR}.
 */
final class OpenCvLinear {
  private static final int ONE = 1 << 11;

  private OpenCvLinear() {}

  /** For each output pixel the two input pixels, and their weights. */
  private record Taps(int[] first, int[] second, int[] firstWeight, int[] secondWeight) {
    static Taps of(int from, int to) {
      Taps taps = new Taps(new int[to], new int[to], new int[to], new int[to]);
      double scale = (double) from / to;
      for (int i = 0; i < to; i++) {
        float at = (float) ((i + 0.5) * scale - 0.5);
        int first = (int) Math.floor(at);
        float part = at - first;
        if (first < 0 || first >= from - 1) {
          first = Math.max(0, Math.min(from - 1, first));
          part = 0;
        }
        taps.first[i] = first;
        taps.second[i] = Math.min(first + 1, from - 1);
        taps.firstWeight[i] = (int) Math.rint((1 - part) * ONE);
        taps.secondWeight[i] = (int) Math.rint(part * ONE);
      }
      return taps;
    }
  }

  /**
   * Resizes an image.
   *
   * @param image the image
   * @param width new width in pixels, positive
   * @param height new height in pixels, positive
   */
  static RgbImage resize(RgbImage image, int width, int height) {
    if (width == image.width() && height == image.height()) {
      return image;
    }
    Taps across = Taps.of(image.width(), width);
    Taps down = Taps.of(image.height(), height);
    byte[] out = new byte[Math.multiplyExact(3 * width, height)];
    int[] upper = new int[3 * width];
    int[] lower = new int[3 * width];
    for (int y = 0; y < height; y++) {
      row(image, down.first[y], across, upper);
      row(image, down.second[y], across, lower);
      for (int x = 0; x < 3 * width; x++) {
        int sum =
            (down.firstWeight[y] * (upper[x] >> 4) >> 16)
                + (down.secondWeight[y] * (lower[x] >> 4) >> 16);
        out[3 * y * width + x] = (byte) Math.max(0, Math.min(255, sum + 2 >> 2));
      }
    }
    return new RgbImage(width, height, out);
  }

  private static void row(RgbImage image, int y, Taps across, int[] into) {
    byte[] rgb = image.rgb();
    int start = 3 * y * image.width();
    for (int x = 0; x < across.first.length; x++) {
      for (int c = 0; c < 3; c++) {
        into[3 * x + c] =
            (rgb[start + 3 * across.first[x] + c] & 0xff) * across.firstWeight[x]
                + (rgb[start + 3 * across.second[x] + c] & 0xff) * across.secondWeight[x];
      }
    }
  }
}
