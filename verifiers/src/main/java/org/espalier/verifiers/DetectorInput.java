package org.espalier.verifiers;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.List;
import org.espalier.api.EspalierException;
import org.espalier.spi.RgbImage;

/**
 * How a picture becomes the input of a detector: scaled until its shorter side has a length, unless
 * the longer one would exceed another; normalised; and of sides that a number divides.
 *
 * @param transform the size of the shorter side, or of both; the filter; and the normalisation
 * @param longest the most that the longer side may have, in pixels
 * @param divisor of both sides of the input; 1 for none
 * @param filled whether the scaled picture is filled up with zeros to such sides, as mmdetection
 *     does with OpenCV's filter, instead of being scaled to them, as transformers does with
 *     Pillow's
 */
record DetectorInput(ImageTransform transform, int longest, int divisor, boolean filled) {
  DetectorInput {
    if (longest < 1 || longest > VerifierImages.LARGEST_SIDE || divisor < 1 || divisor > 1024) {
      throw EspalierException.config(
          "The sizes of a detector's input (%d pixels at most, a multiple of %d) make no sense."
              .formatted(longest, divisor),
          "Maybe preprocessor_config.json is damaged.");
    }
  }

  /** A prepared picture: planes of pixels; heights and widths. */
  record Prepared(float[] pixels, long[] padded, long[] shown, long[] size) {}

  /** As the configuration of mmdetection that GenEval uses: 800 to 1333, filled up to 32. */
  static DetectorInput mmdet() {
    return new DetectorInput(
        transform(1, List.of(123.675, 116.28, 103.53), List.of(58.395, 57.12, 57.375)),
        1333,
        32,
        true);
  }

  private static ImageTransform transform(double factor, List<Double> mean, List<Double> std) {
    return new ImageTransform(
        new ImageTransform.Resize.ShortestEdge(800),
        Resampling.BILINEAR,
        List.of(),
        ImageTransform.CropRounding.DOWN,
        factor,
        mean,
        std);
  }

  /**
   * As transformers' {@code Mask2FormerImageProcessor}.
   *
   * @param json {@code preprocessor_config.json}, or a missing node
   * @param file for messages
   */
  static DetectorInput transformers(JsonNode json, Path file) {
    ImageTransform transform =
        ImageTransform.of(
            json,
            file,
            transform(1 / 255.0, List.of(0.485, 0.456, 0.406), List.of(0.229, 0.224, 0.225)));
    int longest = json.path("max_size").asInt(json.path("_max_size").asInt(1333));
    return new DetectorInput(
        transform,
        json.path("size").path("longest_edge").asInt(longest),
        Math.max(1, json.path("size_divisor").asInt(json.path("size_divisibility").asInt(32))),
        false);
  }

  /** Height and width to which a picture is scaled, before sides are made divisible. */
  private long[] scaled(int height, int width) {
    if (transform.resize() instanceof ImageTransform.Resize.Exact exact) {
      return new long[] {exact.height(), exact.width()};
    }
    if (!(transform.resize() instanceof ImageTransform.Resize.ShortestEdge edge)) {
      return new long[] {height, width};
    }
    double small = Math.min(height, width);
    double large = Math.max(height, width);
    if (filled) {
      double scale = Math.min(longest / large, edge.pixels() / small);
      return new long[] {(long) (height * scale + 0.5), (long) (width * scale + 0.5)};
    }
    boolean limited = large / small * edge.pixels() > longest;
    double exact = limited ? longest * small / large : edge.pixels();
    long side = (long) Math.rint(exact);
    long other = (long) (exact * large / small);
    return height <= width ? new long[] {side, other} : new long[] {other, side};
  }

  /**
   * Height and width of the network's input for a picture.
   *
   * @param height of the picture
   * @param width of the picture
   */
  long[] sides(int height, int width) {
    long[] scaled = scaled(height, width);
    return new long[] {
      Math.max(1, (scaled[0] + divisor - 1) / divisor) * divisor,
      Math.max(1, (scaled[1] + divisor - 1) / divisor) * divisor
    };
  }

  /**
   * Prepares a picture.
   *
   * @param image any picture
   */
  Prepared prepare(RgbImage image) {
    long[] size = {image.height(), image.width()};
    long[] sides = sides(image.height(), image.width());
    int height = Math.toIntExact(sides[0]);
    int width = Math.toIntExact(sides[1]);
    if (!filled) {
      RgbImage resized = transform.filter().resize(image, width, height);
      return new Prepared(transform.normalize(resized), sides, sides, size);
    }
    long[] shown = scaled(image.height(), image.width());
    int shownHeight = Math.max(1, Math.toIntExact(shown[0]));
    int shownWidth = Math.max(1, Math.toIntExact(shown[1]));
    float[] inner = transform.normalize(OpenCvLinear.resize(image, shownWidth, shownHeight));
    float[] pixels = new float[3 * height * width];
    for (int row = 0; row < 3 * shownHeight; row++) {
      int plane = row / shownHeight;
      System.arraycopy(
          inner,
          row * shownWidth,
          pixels,
          (plane * height + row % shownHeight) * width,
          shownWidth);
    }
    return new Prepared(pixels, sides, new long[] {shownHeight, shownWidth}, size);
  }

  /** In words, for a card. */
  String describe() {
    return "%s, longer edge at most %d, %s multiples of %d"
        .formatted(
            transform.describe(),
            longest,
            filled ? "OpenCV's filter, filled up to" : "scaled to",
            divisor);
  }
}
