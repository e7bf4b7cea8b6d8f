package org.espalier.verifiers;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.espalier.api.EspalierException;
import org.espalier.spi.RgbImage;
import org.espalier.spi.VerifierCard;
import org.espalier.weights.ModelJson;

/**
 * How an image becomes the input of a vision tower: resize, crop in the centre, scale to floats,
 * normalise. One for all verifiers.
 *
 * @param resize how the image is resized first
 * @param filter the filter for that
 * @param crop side lengths of the centre crop: width, height; empty for none
 * @param cropRounding where the crop lies when an odd number of pixels is to go
 * @param factor by which 8-bit values are multiplied, usually 1/255
 * @param mean subtracted from each channel after that: three numbers
 * @param std by which each channel is divided after that: three positive numbers
 */
public record ImageTransform(
    Resize resize,
    Resampling filter,
    List<Integer> crop,
    CropRounding cropRounding,
    double factor,
    List<Double> mean,
    List<Double> std) {

  /** Beyond this a resized image would be out of all proportion to what the network sees of it. */
  private static final int LONGEST_EDGE = 65536;

  /** The means on which CLIP, and with it most verifiers, were trained. */
  static final List<Double> CLIP_MEAN = List.of(0.48145466, 0.4578275, 0.40821073);

  /** The standard deviations that go with {@link #CLIP_MEAN}. */
  static final List<Double> CLIP_STD = List.of(0.26862954, 0.26130258, 0.27577711);

  /** Where a centre crop lies when the margin is odd. */
  public enum CropRounding {
    /** Towards the top left: the image processors of Hugging Face transformers. */
    DOWN,
    /** To the even number: torchvision's {@code CenterCrop}, as ImageReward uses it. */
    HALF_EVEN
  }

  /** How an image is resized. */
  public sealed interface Resize {
    /** Not at all. */
    record None() implements Resize {}

    /**
     * To a size, whatever its aspect ratio.
     *
     * @param width in pixels
     * @param height in pixels
     */
    record Exact(int width, int height) implements Resize {
      public Exact {
        requireSize(width);
        requireSize(height);
      }
    }

    /**
     * The shorter edge to a length, keeping the aspect ratio; the longer edge is rounded down.
     *
     * @param pixels its length
     */
    record ShortestEdge(int pixels) implements Resize {
      public ShortestEdge {
        requireSize(pixels);
      }
    }

    private static void requireSize(int pixels) {
      if (pixels < 1 || pixels > VerifierImages.LARGEST_SIDE) {
        throw EspalierException.config(
            "The size ("
                + pixels
                + ") to which images are resized is not between 1 and "
                + VerifierImages.LARGEST_SIDE
                + ".",
            "Maybe preprocessor_config.json is damaged.");
      }
    }
  }

  public ImageTransform {
    crop = List.copyOf(crop);
    mean = List.copyOf(mean);
    std = List.copyOf(std);
    if (!crop.isEmpty() && (crop.size() != 2 || crop.get(0) < 1 || crop.get(1) < 1)) {
      throw EspalierException.config(
          "The crop (" + crop + ") is not a width and a height.",
          "Maybe preprocessor_config.json is damaged.");
    }
    if (mean.size() != 3 || std.size() != 3 || std.stream().anyMatch(s -> !(s > 0))) {
      throw EspalierException.config(
          "The mean ("
              + mean
              + ") and deviation ("
              + std
              + ") of pixels are not three numbers each,"
              + " the latter positive.",
          "Maybe preprocessor_config.json is damaged.");
    }
  }

  /**
   * What CLIP does: shorter edge to the tower's size, bicubic, centre crop.
   *
   * @param size side of the tower's input in pixels
   * @param rounding of the crop
   */
  static ImageTransform clip(int size, CropRounding rounding) {
    return new ImageTransform(
        new Resize.ShortestEdge(size),
        Resampling.BICUBIC,
        List.of(size, size),
        rounding,
        1 / 255.0,
        CLIP_MEAN,
        CLIP_STD);
  }

  /**
   * What SigLIP does, as its {@code preprocessor_config.json} says it, if it is there: the image
   * squeezed to the tower's square.
   *
   * @param directory of the checkpoint
   * @param size side of the tower's input in pixels
   */
  static ImageTransform siglip(Path directory, int size) {
    List<Double> half = List.of(0.5, 0.5, 0.5);
    return read(
            directory.resolve("preprocessor_config.json"),
            new ImageTransform(
                new Resize.Exact(size, size),
                Resampling.BICUBIC,
                List.of(),
                CropRounding.DOWN,
                1 / 255.0,
                half,
                half))
        .requireSquare(size, directory);
  }

  /**
   * Reads a {@code preprocessor_config.json} of Hugging Face transformers. What the file leaves out
   * is as in the defaults.
   *
   * @param file the file; need not exist
   * @param defaults used where it does not, or does not say
   */
  static ImageTransform read(Path file, ImageTransform defaults) {
    return of(ModelJson.optional(file), file, defaults);
  }

  /**
   * Reads such a configuration where it is part of another file.
   *
   * @param json its object, or a missing node
   * @param file for messages
   * @param defaults used where it does not say
   */
  static ImageTransform of(JsonNode json, Path file, ImageTransform defaults) {
    if (json.isMissingNode()) {
      return defaults;
    }
    Resize resize = defaults.resize;
    if (!json.path("do_resize").asBoolean(true)) {
      resize = new Resize.None();
    } else if (json.has("size")) {
      resize = resize(json.get("size"), file);
    }
    List<Integer> crop = defaults.crop;
    if (!json.path("do_center_crop").asBoolean(!defaults.crop.isEmpty())) {
      crop = List.of();
    } else if (json.has("crop_size")) {
      crop = crop(json.get("crop_size"), file);
    }
    boolean rescale = json.path("do_rescale").asBoolean(true);
    double factor = rescale ? json.path("rescale_factor").asDouble(defaults.factor) : 1;
    boolean normalize = json.path("do_normalize").asBoolean(true);
    return new ImageTransform(
        resize,
        json.has("resample") ? Resampling.ofPillow(json.get("resample").asInt()) : defaults.filter,
        crop,
        defaults.cropRounding,
        factor,
        normalize ? numbers(json, "image_mean", defaults.mean) : List.of(0.0, 0.0, 0.0),
        normalize ? numbers(json, "image_std", defaults.std) : List.of(1.0, 1.0, 1.0));
  }

  private static List<Double> numbers(JsonNode json, String name, List<Double> otherwise) {
    return json.has(name)
        ? IntStream.range(0, json.get(name).size())
            .mapToObj(i -> json.get(name).get(i).asDouble())
            .toList()
        : otherwise;
  }

  private static Resize resize(JsonNode size, Path file) {
    if (size.isInt()) {
      return new Resize.ShortestEdge(size.asInt());
    }
    if (size.has("shortest_edge")) {
      return new Resize.ShortestEdge(size.get("shortest_edge").asInt());
    }
    if (size.has("height") && size.has("width")) {
      return new Resize.Exact(size.get("width").asInt(), size.get("height").asInt());
    }
    throw EspalierException.config(
        "The size (" + size + ") in " + file + " is not understood.",
        "Maybe use a number, {\"shortest_edge\": n} or {\"height\": h, \"width\": w}.");
  }

  private static List<Integer> crop(JsonNode size, Path file) {
    if (size.isInt()) {
      return List.of(size.asInt(), size.asInt());
    }
    if (size.has("height") && size.has("width")) {
      return List.of(size.get("width").asInt(), size.get("height").asInt());
    }
    throw EspalierException.config(
        "The crop_size (" + size + ") in " + file + " is not understood.",
        "Maybe use a number or {\"height\": h, \"width\": w}.");
  }

  /**
   * Prepares an image.
   *
   * @param image any image
   * @return channel-major floats: red, green, blue planes, each row-major
   */
  public float[] apply(RgbImage image) {
    return normalize(crop(resize(image)));
  }

  private RgbImage resize(RgbImage image) {
    if (resize instanceof Resize.Exact exact) {
      return filter.resize(image, exact.width, exact.height);
    }
    if (resize instanceof Resize.ShortestEdge edge) {
      int w = image.width();
      int h = image.height();
      int longer = (int) ((long) edge.pixels * Math.max(w, h) / Math.min(w, h));
      if (longer > LONGEST_EDGE) {
        throw EspalierException.config(
            "An image of %d x %d pixels is too long and thin.".formatted(w, h),
            "Maybe crop it first.");
      }
      return w <= h
          ? filter.resize(image, edge.pixels, longer)
          : filter.resize(image, longer, edge.pixels);
    }
    return image;
  }

  private RgbImage crop(RgbImage image) {
    if (crop.isEmpty() || (crop.get(0) == image.width() && crop.get(1) == image.height())) {
      return image;
    }
    return crop(
        image,
        margin(image.width() - crop.get(0)),
        margin(image.height() - crop.get(1)),
        crop.get(0),
        crop.get(1));
  }

  private int margin(int surplus) {
    return cropRounding == CropRounding.DOWN
        ? Math.floorDiv(surplus, 2)
        : (int) Math.rint(surplus / 2.0);
  }

  /**
   * Cuts a part out. Where it reaches beyond the image it is black.
   *
   * @param image the image
   * @param left first column, may be negative
   * @param top first row, may be negative
   * @param width of the part
   * @param height of the part
   */
  static RgbImage crop(RgbImage image, int left, int top, int width, int height) {
    byte[] out = new byte[Math.multiplyExact(3 * width, height)];
    int from = Math.max(0, -left);
    int to = Math.min(width, image.width() - left);
    for (int y = Math.max(0, -top); y < Math.min(height, image.height() - top) && from < to; y++) {
      System.arraycopy(
          image.rgb(),
          3 * ((y + top) * image.width() + left + from),
          out,
          3 * (y * width + from),
          3 * (to - from));
    }
    return new RgbImage(width, height, out);
  }

  /**
   * Only the last two steps: scale to floats and normalise.
   *
   * @param image an image of the right size
   */
  float[] normalize(RgbImage image) {
    int area = image.width() * image.height();
    float[] out = new float[3 * area];
    byte[] rgb = image.rgb();
    for (int c = 0; c < 3; c++) {
      float m = mean.get(c).floatValue();
      float s = std.get(c).floatValue();
      float[] table = new float[256];
      for (int v = 0; v < 256; v++) {
        table[v] = ((float) (v * factor) - m) / s;
      }
      for (int i = 0; i < area; i++) {
        out[c * area + i] = table[rgb[3 * i + c] & 0xff];
      }
    }
    return out;
  }

  /**
   * Whether every image comes out as a square of a size.
   *
   * @param side of the square in pixels
   */
  boolean fits(int side) {
    if (!crop.isEmpty()) {
      return crop.equals(List.of(side, side));
    }
    return resize instanceof Resize.Exact exact && exact.width == side && exact.height == side;
  }

  /**
   * Refuses a preparation whose images are not squares of a size.
   *
   * @param side of the square that the weights need, in pixels
   * @param directory of the checkpoint, for the message
   * @return this
   */
  ImageTransform requireSquare(int side, Path directory) {
    if (!fits(side)) {
      throw EspalierException.config(
          "The images that preprocessor_config.json of %s asks for (%s) are not the %d x %d pixels"
                  .formatted(directory, describe(), side, side)
              + " that the weights need.",
          "Maybe the file belongs to another checkpoint.");
    }
    return this;
  }

  /** What part of an image that is not square is seen, in words, for a card. */
  String sees() {
    if (resize instanceof Resize.Exact e) {
      return e.width == e.height ? "all of the image, squeezed to a square" : "all of the image";
    }
    return crop.isEmpty() ? "all of the image" : VerifierCard.MIDDLE_SQUARE;
  }

  /** In words, for a card. */
  public String describe() {
    String what = filter.name().toLowerCase(Locale.ROOT);
    StringBuilder text = new StringBuilder();
    if (resize instanceof Resize.Exact e) {
      text.append("%s resize to %d x %d, ".formatted(what, e.width, e.height));
    } else if (resize instanceof Resize.ShortestEdge e) {
      text.append("%s resize of the shorter edge to %d, ".formatted(what, e.pixels));
    }
    if (!crop.isEmpty()) {
      text.append("centre crop %d x %d, ".formatted(crop.get(0), crop.get(1)));
    }
    return text + "mean " + join(mean) + ", std " + join(std);
  }

  private static String join(List<Double> numbers) {
    return numbers.stream().map(String::valueOf).collect(Collectors.joining("/"));
  }
}
