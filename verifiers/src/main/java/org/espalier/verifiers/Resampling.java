package org.espalier.verifiers;

import java.util.Arrays;
import org.espalier.api.EspalierException;
import org.espalier.spi.RgbImage;

/**
 * Filters for resizing, computed as Pillow computes them: the filter is widened when shrinking
 * (antialiasing), weights are 22-bit fixed-point numbers, and the result of the horizontal pass is
 * rounded to 8 bits before the vertical pass. Verifiers were trained on images prepared so.
 *
 * @see <a href="https://pillow.readthedocs.io/en/stable/handbook/concepts.html#filters">Pillow's
 *     filters</a>
 */
public enum Resampling {
  /** Triangle filter, two source pixels wide. */
  BILINEAR(2, 1) {
    @Override
    double weight(double x) {
      double d = Math.abs(x);
      return d < 1 ? 1 - d : 0;
    }
  },
  /** Cubic convolution with a = -0.5, four source pixels wide. */
  BICUBIC(3, 2) {
    @Override
    double weight(double x) {
      double a = -0.5;
      double d = Math.abs(x);
      if (d < 1) {
        return ((a + 2) * d - (a + 3)) * d * d + 1;
      }
      return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
    }
  };

  private static final int PRECISION_BITS = 32 - 8 - 2;

  private final int pillowCode;
  private final double support;

  Resampling(int pillowCode, double support) {
    this.pillowCode = pillowCode;
    this.support = support;
  }

  abstract double weight(double x);

  /**
   * The filter of a {@code preprocessor_config.json}.
   *
   * @param code Pillow's number: 2 or 3
   */
  static Resampling ofPillow(int code) {
    return Arrays.stream(values())
        .filter(r -> r.pillowCode == code)
        .findFirst()
        .orElseThrow(
            () ->
                EspalierException.config(
                    "The resampling filter (" + code + ") of preprocessor_config.json is unknown.",
                    "Maybe use 2 (bilinear) or 3 (bicubic)."));
  }

  /** For each output pixel the first input pixel, and the fixed-point weights from there on. */
  private record Taps(int[] first, int[][] weights) {}

  private Taps taps(int inputSize, int outputSize) {
    double scale = (double) inputSize / outputSize;
    double widening = Math.max(scale, 1);
    double reach = support * widening;
    int[] first = new int[outputSize];
    int[][] fixed = new int[outputSize][];
    for (int o = 0; o < outputSize; o++) {
      double centre = (o + 0.5) * scale;
      int from = Math.max(0, (int) (centre - reach + 0.5));
      int to = Math.min(inputSize, (int) (centre + reach + 0.5));
      double[] weights = new double[to - from];
      double sum = 0;
      for (int i = 0; i < weights.length; i++) {
        // Pillow multiplies by the reciprocal; dividing would round differently.
        weights[i] = weight((i + from - centre + 0.5) * (1 / widening));
        sum += weights[i];
      }
      int[] row = new int[weights.length];
      for (int i = 0; i < row.length; i++) {
        double w = (sum == 0 ? weights[i] : weights[i] / sum) * (1 << PRECISION_BITS);
        row[i] = (int) (w < 0 ? w - 0.5 : w + 0.5);
      }
      first[o] = from;
      fixed[o] = row;
    }
    return new Taps(first, fixed);
  }

  private static byte clip(int sum) {
    return (byte) Math.max(0, Math.min(255, sum >> PRECISION_BITS));
  }

  /**
   * Resizes an image. A size that stays costs nothing and changes nothing.
   *
   * @param image the image
   * @param width new width in pixels, positive
   * @param height new height in pixels, positive
   */
  public RgbImage resize(RgbImage image, int width, int height) {
    if (width <= 0 || height <= 0) {
      throw new IllegalArgumentException("cannot resize to " + width + " x " + height);
    }
    byte[] pixels = image.rgb();
    if (width != image.width()) {
      pixels = horizontally(pixels, image.width(), image.height(), width);
    }
    if (height != image.height()) {
      pixels = vertically(pixels, width, image.height(), height);
    }
    return new RgbImage(width, height, pixels);
  }

  private byte[] horizontally(byte[] in, int width, int height, int newWidth) {
    Taps taps = taps(width, newWidth);
    byte[] out = new byte[Math.multiplyExact(3 * newWidth, height)];
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < newWidth; x++) {
        int[] weights = taps.weights[x];
        int at = 3 * (y * width + taps.first[x]);
        int r = 1 << (PRECISION_BITS - 1);
        int g = r;
        int b = r;
        for (int w : weights) {
          r += (in[at] & 0xff) * w;
          g += (in[at + 1] & 0xff) * w;
          b += (in[at + 2] & 0xff) * w;
          at += 3;
        }
        int to = 3 * (y * newWidth + x);
        out[to] = clip(r);
        out[to + 1] = clip(g);
        out[to + 2] = clip(b);
      }
    }
    return out;
  }

  private byte[] vertically(byte[] in, int width, int height, int newHeight) {
    Taps taps = taps(height, newHeight);
    int stride = 3 * width;
    byte[] out = new byte[Math.multiplyExact(stride, newHeight)];
    for (int y = 0; y < newHeight; y++) {
      int[] weights = taps.weights[y];
      for (int x = 0; x < stride; x++) {
        int sum = 1 << (PRECISION_BITS - 1);
        int at = taps.first[y] * stride + x;
        for (int w : weights) {
          sum += (in[at] & 0xff) * w;
          at += stride;
        }
        out[y * stride + x] = clip(sum);
      }
    }
    return out;
  }
}
