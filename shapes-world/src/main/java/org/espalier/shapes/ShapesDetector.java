package org.espalier.shapes;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.espalier.api.EspalierException;
import org.espalier.spi.RgbImage;
import org.espalier.torch.DType;
import org.espalier.torch.Device;
import org.espalier.torch.Flops;
import org.espalier.torch.RowExecutor;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;
import org.espalier.weights.ModelJson;

/**
 * Sees the objects of a picture: a convolutional network that says for each cell of 4 x 4 pixels
 * how near an object's centre is, what the object is and where exactly its centre lies, and the
 * picking of peaks among the cells. Trained on rendered scenes only; {@code training/README.md}
 * states its accuracy.
 */
public final class ShapesDetector implements AutoCloseable {
  /** Pixels a cell. */
  private static final int STRIDE = 4;

  // Channels of a cell: heat, shapes and "other", colours, textures, sizes, offset of the centre.
  private static final int SHAPE = 1;
  private static final int COLOR = SHAPE + Shape.values().length + 1;
  private static final int TEXTURE = COLOR + Color.values().length;
  private static final int SIZE = TEXTURE + Texture.values().length;
  private static final int OFFSET = SIZE + Size.values().length;
  private static final int CHANNELS = OFFSET + 2;

  /**
   * How peaks are picked.
   *
   * @param side of a picture in pixels
   * @param threshold heat below which a cell is no peak
   * @param window side of the square in which a peak must be the highest, odd
   * @param most objects that are kept, the hottest first
   * @param otherMargin by how much the logit of "other" must exceed every shape's for an object to
   *     be none of them; blurred edges raise it on pictures that a decoder made
   */
  record Rules(int side, float threshold, int window, int most, float otherMargin) {}

  private final TorchProgram program;
  private final Rules rules;
  private final long flops;
  private final String weightsSha256;
  private final String licence;

  private ShapesDetector(
      TorchProgram program, Rules rules, long flops, String weightsSha256, String licence) {
    this.program = program;
    this.rules = rules;
    this.flops = flops;
    this.weightsSha256 = weightsSha256;
    this.licence = licence;
  }

  /**
   * Loads a detector.
   *
   * @param directory with {@code config.json} and {@code model.safetensors}
   * @param device where to compute; float32 everywhere
   * @throws EspalierException CONFIG where a file is missing or does not fit
   */
  public static ShapesDetector load(Path directory, Device device) {
    Path file = directory.resolve("config.json");
    JsonNode config = ModelJson.require(file, "detector's configuration");
    requireWords(file, config, "shapes", Stream.concat(words(Shape.values()), Stream.of("other")));
    requireWords(file, config, "colors", words(Color.values()));
    requireWords(file, config, "textures", words(Texture.values()));
    requireWords(file, config, "sizes", words(Size.values()));
    Rules rules =
        new Rules(
            (int) number(file, config, "/image_size"),
            (float) number(file, config, "/heat_threshold"),
            (int) number(file, config, "/peak_window"),
            (int) number(file, config, "/max_objects"),
            (float) number(file, config, "/other_margin"));
    if (rules.side < STRIDE || rules.side % STRIDE != 0) {
      throw EspalierException.config(
          "%s: image_size (%d) is not a multiple of %d.".formatted(file, rules.side, STRIDE),
          "Maybe the configuration belongs to another model.");
    }
    int groups = (int) number(file, config, "/group_norm/groups");
    double eps = number(file, config, "/group_norm/eps");
    try (WeightSource weights = WeightSource.open(directory, "model.safetensors")) {
      Network network = Network.of(weights);
      TorchProgram program =
          TorchProgram.builder("Detector")
              .text(ShapesDetector.class, "detector.py")
              .attribute("blocks", network.blocks)
              .attribute("groups", groups)
              .attribute("eps", eps)
              .device(device)
              .dtype(DType.F32)
              .load(weights, network.spec());
      return new ShapesDetector(
          program,
          rules,
          network.flops(rules.side),
          weights.sha256(),
          config.path("licence").asText("unknown"));
    }
  }

  /**
   * The network's sizes.
   *
   * @param fine channels at full resolution
   * @param half channels at half of it
   * @param coarse channels at a quarter of it
   * @param blocks how many residual blocks at a quarter
   */
  private record Network(long fine, long half, long coarse, int blocks) {
    static Network of(WeightSource weights) {
      int blocks = 0;
      while (weights.names().contains("blocks." + blocks + ".conv1.weight")) {
        blocks++;
      }
      return new Network(
          width(weights, "stem"), width(weights, "down0"), width(weights, "down1"), blocks);
    }

    private static long width(WeightSource weights, String layer) {
      return weights.info(layer + ".bias").shape().get(0);
    }

    WeightSpec spec() {
      WeightSpec.Builder spec = WeightSpec.builder().conv2d("stem", fine, 3, 3);
      block(spec, "block0", fine);
      spec.conv2d("down0", half, fine, 4);
      block(spec, "block1", half);
      spec.conv2d("down1", coarse, half, 4);
      for (int i = 0; i < blocks; i++) {
        block(spec, "blocks." + i, coarse);
      }
      return spec.norm("norm", coarse).conv2d("head", CHANNELS, coarse, 3).build();
    }

    private static void block(WeightSpec.Builder spec, String name, long width) {
      spec.norm(name + ".norm1", width).conv2d(name + ".conv1", width, width, 3);
      spec.norm(name + ".norm2", width).conv2d(name + ".conv2", width, width, 3);
    }

    long flops(long side) {
      long middle = side / 2;
      long cells = side / 4;
      return Flops.conv2d(side, side, 3, fine, 3)
          + 2 * Flops.conv2d(side, side, fine, fine, 3)
          + Flops.conv2d(middle, middle, fine, half, 4)
          + 2 * Flops.conv2d(middle, middle, half, half, 3)
          + Flops.conv2d(cells, cells, half, coarse, 4)
          + 2 * blocks * Flops.conv2d(cells, cells, coarse, coarse, 3)
          + Flops.conv2d(cells, cells, coarse, CHANNELS, 3);
    }
  }

  /**
   * Sees the objects of pictures.
   *
   * @param images of {@link #side} x {@link #side} pixels
   * @return the objects of each, the surest first
   * @throws EspalierException CONFIG for a picture of another size
   */
  public List<List<DetectedObject>> detect(List<RgbImage> images) {
    images.forEach(this::requireSize);
    return RowExecutor.map(program.device(), images, image -> decode(cells(image), rules));
  }

  /** What the network says: {@value #CHANNELS} channels of all cells, row-major. */
  float[] cells(RgbImage image) {
    try (TorchTensor pixels =
            TorchTensor.of(program.device(), image.rgb(), 1, image.height(), image.width(), 3);
        TorchTensor cells = program.call("cells", pixels)) {
      return cells.toFloats();
    }
  }

  void requireSize(RgbImage image) {
    if (image.width() != rules.side || image.height() != rules.side) {
      throw EspalierException.config(
          "The image has %d x %d pixels; the evaluator judges %d x %d."
              .formatted(image.width(), image.height(), rules.side, rules.side),
          "Maybe it is not a picture of the shapes world.");
    }
  }

  /**
   * Picks the peaks: cells hotter than the threshold that no cell of the square around them
   * exceeds.
   */
  static List<DetectedObject> decode(float[] cells, Rules rules) {
    int grid = rules.side / STRIDE;
    int count = grid * grid;
    float[] heat = new float[count];
    for (int i = 0; i < count; i++) {
      heat[i] = (float) (1 / (1 + Math.exp(-cells[i])));
    }
    List<Integer> peaks = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      if (heat[i] > rules.threshold && isHighest(heat, grid, i, rules.window / 2)) {
        peaks.add(i);
      }
    }
    peaks.sort(Comparator.comparingDouble(i -> -heat[i]));
    List<DetectedObject> objects = new ArrayList<>();
    for (int i : peaks.subList(0, Math.min(rules.most, peaks.size()))) {
      int other = COLOR - 1;
      int shape = best(cells, count, i, SHAPE, other);
      boolean known =
          cells[other * count + i] - cells[(SHAPE + shape) * count + i] <= rules.otherMargin;
      objects.add(
          new DetectedObject(
              known ? Shape.values()[shape] : null,
              Color.values()[best(cells, count, i, COLOR, TEXTURE)],
              Texture.values()[best(cells, count, i, TEXTURE, SIZE)],
              Size.values()[best(cells, count, i, SIZE, OFFSET)],
              STRIDE * (i % grid + 0.5 + cells[OFFSET * count + i]),
              STRIDE * (i / grid + 0.5 + cells[(OFFSET + 1) * count + i]),
              heat[i]));
    }
    return objects;
  }

  private static boolean isHighest(float[] heat, int grid, int cell, int reach) {
    int row = cell / grid;
    int column = cell % grid;
    for (int y = Math.max(0, row - reach); y <= Math.min(grid - 1, row + reach); y++) {
      for (int x = Math.max(0, column - reach); x <= Math.min(grid - 1, column + reach); x++) {
        if (heat[y * grid + x] > heat[cell]) {
          return false;
        }
      }
    }
    return true;
  }

  /** The channel of a range with the highest value, counted from the range's start. */
  private static int best(float[] cells, int count, int cell, int from, int to) {
    int best = from;
    for (int channel = from + 1; channel < to; channel++) {
      if (cells[channel * count + cell] > cells[best * count + cell]) {
        best = channel;
      }
    }
    return best - from;
  }

  /** Width and height of the pictures that it sees, in pixels. */
  public int side() {
    return rules.side;
  }

  /** Floating-point operations a picture. */
  public long flops() {
    return flops;
  }

  String weightsSha256() {
    return weightsSha256;
  }

  String programSha256() {
    return program.sha256();
  }

  String licence() {
    return licence;
  }

  @Override
  public void close() {
    program.close();
  }

  private static double number(Path file, JsonNode config, String pointer) {
    JsonNode node = config.at(pointer);
    if (!node.isNumber() || !(node.asDouble() > 0)) {
      throw EspalierException.config(
          "%s: %s (%s) must be a positive number."
              .formatted(file, pointer.substring(1).replace('/', '.'), node),
          "Maybe the configuration belongs to another model.");
    }
    return node.asDouble();
  }

  private static Stream<String> words(Term[] terms) {
    return Stream.of(terms).map(Term::word);
  }

  private static void requireWords(
      Path file, JsonNode config, String name, Stream<String> expected) {
    List<String> words = new ArrayList<>();
    config.path(name).forEach(node -> words.add(node.asText()));
    List<String> wanted = expected.toList();
    if (!words.equals(wanted)) {
      throw EspalierException.config(
          "%s: %s (%s) must be %s.".formatted(file, name, words, wanted),
          "Maybe the configuration belongs to another model.");
    }
  }
}
