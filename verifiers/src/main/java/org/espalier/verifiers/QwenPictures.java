package org.espalier.verifiers;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.espalier.api.EspalierException;
import org.espalier.spi.RgbImage;
import org.espalier.weights.ModelJson;
import org.jspecify.annotations.Nullable;

/**
 * How Qwen-VL models prepare an image: resized so that both sides are multiples of a merged cell
 * and the area lies within limits, by Pillow's bicubic filter on bytes, normalised, cut into
 * patches. All of the image is seen, its aspect ratio kept but for the rounding of its sides.
 *
 * @param patch side of a patch in pixels
 * @param time frames of a patch; a still image is repeated
 * @param merge patches along a cell's side
 * @param window cells along an attention window's side, or 0
 * @param leastPixels below which an image is enlarged
 * @param mostPixels above which it is shrunk
 * @param transform the filter and the normalisation
 */
record QwenPictures(
    int patch,
    int time,
    int merge,
    int window,
    long leastPixels,
    long mostPixels,
    ImageTransform transform) {
  private static final int LARGEST_RATIO = 200;

  QwenPictures {
    if (leastPixels < 1 || mostPixels < (long) cell(patch, merge) * cell(patch, merge)) {
      throw EspalierException.config(
          "The image sizes of the vision-language model (%d to %d pixels) are not possible."
              .formatted(leastPixels, mostPixels),
          "Maybe set maxPixels to at least the square of "
              + cell(patch, merge)
              + ", or leave it out.");
    }
  }

  private static int cell(int patch, int merge) {
    return patch * merge;
  }

  /**
   * Reads the preparation.
   *
   * @param json {@code preprocessor_config.json}, or a missing node
   * @param file for messages
   * @param vision the tower
   * @param mostPixels wanted where it is less than the file's, or null
   */
  static QwenPictures of(
      JsonNode json, Path file, QwenVlArchitecture.Vision vision, @Nullable Long mostPixels) {
    boolean third = vision.generation() == QwenVlArchitecture.Generation.QWEN3;
    JsonNode size = json.path("size");
    long least =
        json.path("min_pixels").asLong(size.path("shortest_edge").asLong(third ? 65536 : 3136));
    long most =
        json.path("max_pixels")
            .asLong(size.path("longest_edge").asLong(third ? 16777216 : 12845056));
    List<Double> half = List.of(0.5, 0.5, 0.5);
    ImageTransform defaults =
        new ImageTransform(
            new ImageTransform.Resize.None(),
            Resampling.BICUBIC,
            List.of(),
            ImageTransform.CropRounding.DOWN,
            1 / 255.0,
            third ? half : ImageTransform.CLIP_MEAN,
            third ? half : ImageTransform.CLIP_STD);
    JsonNode rest = json.deepCopy();
    if (rest instanceof ObjectNode object) {
      object.remove(List.of("size", "crop_size"));
      object.put("do_resize", false).put("do_center_crop", false);
    }
    long wanted = mostPixels == null ? most : Math.min(most, mostPixels);
    return new QwenPictures(
        same(json, "patch_size", vision.patch(), file),
        same(json, "temporal_patch_size", vision.time(), file),
        same(json, "merge_size", vision.merge(), file),
        vision.window(),
        Math.min(least, wanted),
        wanted,
        ImageTransform.of(rest, file, defaults));
  }

  private static int same(JsonNode json, String name, int inModel, Path file) {
    int value = ModelJson.positive(json, name, inModel);
    if (value != inModel) {
      throw EspalierException.config(
          "The %s (%d) of %s is not the model's (%d).".formatted(name, value, file, inModel),
          "Maybe the file belongs to another checkpoint.");
    }
    return value;
  }

  /**
   * The patches of an image of a size.
   *
   * @param width of the image in pixels
   * @param height of the image in pixels
   */
  PatchGrid grid(int width, int height) {
    int cell = cell(patch, merge);
    double h = Math.rint((double) height / cell) * cell;
    double w = Math.rint((double) width / cell) * cell;
    if (h * w > mostPixels) {
      double beta = Math.sqrt((double) height * width / mostPixels);
      h = Math.max(cell, Math.floor(height / beta / cell) * cell);
      w = Math.max(cell, Math.floor(width / beta / cell) * cell);
    } else if (h * w < leastPixels) {
      double beta = Math.sqrt((double) leastPixels / ((double) height * width));
      h = Math.ceil(height * beta / cell) * cell;
      w = Math.ceil(width * beta / cell) * cell;
    }
    return new PatchGrid((int) h / patch, (int) w / patch, merge, window);
  }

  /** Whether the model reads images of such a shape. */
  static boolean readable(int width, int height) {
    return Math.max(width, height) <= (long) LARGEST_RATIO * Math.min(width, height);
  }

  /** The most tokens that an image of ordinary shape becomes. */
  int mostTokens() {
    int cell = cell(patch, merge);
    return Math.toIntExact(mostPixels / ((long) cell * cell));
  }

  /**
   * An image as the tower reads it.
   *
   * @param grid how it was cut
   * @param values (patches, channel x time x row x column), in the grid's order
   */
  record Patches(PatchGrid grid, float[] values) {}

  /**
   * Prepares an image.
   *
   * @param image the image
   * @throws EspalierException CONFIG where one side is more than 200 times the other
   */
  Patches prepare(RgbImage image) {
    if (!readable(image.width(), image.height())) {
      throw EspalierException.config(
          "The image (%d x %d) has a side more than %d times the other."
              .formatted(image.width(), image.height(), LARGEST_RATIO),
          "Maybe cut it first.");
    }
    PatchGrid grid = grid(image.width(), image.height());
    int width = grid.columns() * patch;
    int height = grid.rows() * patch;
    float[] planes = transform.normalize(transform.filter().resize(image, width, height));
    int area = width * height;
    int square = patch * patch;
    float[] values = new float[3 * time * area];
    long[] places = grid.places();
    int at = 0;
    for (int i = 0; i < grid.patches(); i++) {
      int corner = (int) (places[2 * i] * patch * width + places[2 * i + 1] * patch);
      for (int c = 0; c < 3; c++) {
        for (int y = 0; y < patch; y++) {
          System.arraycopy(planes, c * area + corner + y * width, values, at + y * patch, patch);
        }
        for (int t = 1; t < time; t++) {
          System.arraycopy(values, at, values, at + t * square, square);
        }
        at += time * square;
      }
    }
    return new Patches(grid, values);
  }

  /** In words, for a card. */
  String describe() {
    return "%s resize to multiples of %d pixels, area %d to %d, all of the image; %s"
        .formatted(
            transform.filter().name().toLowerCase(Locale.ROOT),
            cell(patch, merge),
            leastPixels,
            mostPixels,
            transform.describe());
  }
}
