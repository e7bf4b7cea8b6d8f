package org.espalier.verifiers;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.espalier.spi.RgbImage;
import org.espalier.torch.Device;
import org.espalier.torch.Flops;
import org.espalier.torch.TextTokenizer;
import org.espalier.torch.Tokens;
import org.espalier.torch.TorchTensor;

/**
 * Names the colours of objects as GenEval does: everything round the object is made grey, its box
 * cut out, and CLIP asked which of ten colours the crop shows, each in three sentences whose
 * embeddings are averaged.
 */
final class GenEvalColors implements AutoCloseable {
  private static final List<String> SENTENCES =
      List.of("a photo of a %s %s", "a photo of a %s-colored %s", "a photo of a %s object");

  /** {@code #999}. */
  private static final byte GREY = (byte) 0x99;

  private final ClipNetwork network;
  private final ClipArchitecture architecture;
  private final TextTokenizer tokenizer;
  private final ImageTransform transform;
  private final Map<String, float[][]> classifiers = new ConcurrentHashMap<>();

  private GenEvalColors(
      ClipNetwork network, ClipArchitecture architecture, TextTokenizer tokenizer) {
    this.network = network;
    this.architecture = architecture;
    this.tokenizer = tokenizer;
    // As open_clip prepares images, whatever is written beside the weights.
    this.transform =
        ImageTransform.clip(architecture.imageSize(), ImageTransform.CropRounding.HALF_EVEN);
  }

  static GenEvalColors load(OpenedCheckpoint<ClipArchitecture> opened, Device device) {
    TextTokenizer tokenizer = ClipFamilyProvider.tokenizer(opened);
    try {
      return new GenEvalColors(
          ClipNetwork.load(opened.architecture(), opened.source(), device),
          opened.architecture(),
          tokenizer);
    } catch (RuntimeException e) {
      tokenizer.close();
      throw e;
    }
  }

  /**
   * The colours of objects.
   *
   * @param image the picture
   * @param name of the objects' class
   * @param objects on it
   */
  List<String> of(RgbImage image, String name, List<Instance> objects) {
    float[][] classifier = classifiers.computeIfAbsent(name, this::classifier);
    List<String> colors = new ArrayList<>();
    int side = architecture.imageSize();
    for (Instance object : objects) {
      float[] unit;
      try (TorchTensor embedded =
          network.embedImages(transform.apply(crop(image, object)), 1, side)) {
        unit = embedded.toFloats();
      }
      int best = 0;
      double most = Double.NEGATIVE_INFINITY;
      for (int i = 0; i < classifier.length; i++) {
        double cosine = product(classifier[i], unit);
        if (cosine > most) {
          most = cosine;
          best = i;
        }
      }
      colors.add(GenEvalTask.COLORS.get(best));
    }
    return colors;
  }

  /** The object on grey, cut to its box. */
  static RgbImage crop(RgbImage image, Instance object) {
    Box box = object.box();
    int left = (int) Math.rint(box.left());
    int top = (int) Math.rint(box.top());
    int width = (int) Math.rint(box.right()) - left;
    int height = (int) Math.rint(box.bottom()) - top;
    RgbImage cut = ImageTransform.crop(image, left, top, width, height);
    byte[] rgb = cut.rgb();
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        if (object.mask()[(y + top) * image.width() + x + left] == 0) {
          for (int c = 0; c < 3; c++) {
            rgb[3 * (y * width + x) + c] = GREY;
          }
        }
      }
    }
    return cut;
  }

  private static List<String> sentences(String color, String name) {
    return SENTENCES.stream().map(form -> form.formatted(color, name)).toList();
  }

  private float[][] classifier(String name) {
    float[][] classifier = new float[GenEvalTask.COLORS.size()][];
    for (int i = 0; i < classifier.length; i++) {
      float[] sum = new float[architecture.projection()];
      for (String sentence : sentences(GenEvalTask.COLORS.get(i), name)) {
        float[] unit = network.embedText(tokenizer.encode(sentence));
        for (int c = 0; c < sum.length; c++) {
          sum[c] += unit[c] / SENTENCES.size();
        }
      }
      double length = Math.sqrt(product(sum, sum));
      for (int c = 0; c < sum.length; c++) {
        sum[c] /= (float) length;
      }
      classifier[i] = sum;
    }
    return classifier;
  }

  private static double product(float[] a, float[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += (double) a[i] * b[i];
    }
    return sum;
  }

  /**
   * The work of naming the colours of some objects of a class, the sentences included although they
   * are embedded only once.
   *
   * @param name of the class
   * @param objects how many
   */
  NetworkVerifier.Work work(String name, int objects) {
    long tokens = (long) objects * architecture.imageTokens();
    long flops =
        objects
            * (architecture.imageFlops()
                + Flops.linear(1, architecture.projection(), GenEvalTask.COLORS.size()));
    long rows = objects;
    for (String color : GenEvalTask.COLORS) {
      for (String sentence : sentences(color, name)) {
        Tokens text = tokenizer.encode(sentence);
        tokens += text.length();
        flops += architecture.textFlops(text.length());
        rows++;
      }
    }
    return new NetworkVerifier.Work(rows, tokens, flops);
  }

  String programSha256() {
    return network.programSha256();
  }

  @Override
  public void close() {
    try {
      network.close();
    } finally {
      tokenizer.close();
    }
  }
}
