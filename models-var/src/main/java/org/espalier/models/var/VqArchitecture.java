package org.espalier.models.var;

import static org.espalier.models.var.WeightShapes.size;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.espalier.api.EspalierException;
import org.espalier.torch.Flops;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;
import org.jspecify.annotations.Nullable;

/**
 * The sizes of a convolutional decoder over a codebook, read off the shapes of its weights.
 *
 * @param vocabulary vectors of the codebook
 * @param channels of a vector
 * @param latent channels that the decoder takes
 * @param postKernel side of the kernel between the two
 * @param levels the coarsest first
 * @param blocks residual blocks a level
 * @param middleAttention whether there is attention between the two blocks before the levels
 * @param joined whether queries, keys and values come from one matrix
 * @param convolutions prefixes of those that a scale's code passes, the coarsest scale's first;
 *     none where a code is no sum over scales
 */
record VqArchitecture(
    int vocabulary,
    int channels,
    int latent,
    int postKernel,
    List<Level> levels,
    int blocks,
    boolean middleAttention,
    boolean joined,
    List<String> convolutions) {

  private static final Pattern LEVEL = Pattern.compile("decoder\\.up\\.(\\d+)\\.(.*)");

  /**
   * One resolution.
   *
   * @param width channels
   * @param attention whether attention follows each block
   * @param upsampled whether it ends with a doubling of the resolution
   */
  record Level(int width, boolean attention, boolean upsampled) {}

  VqArchitecture {
    levels = List.copyOf(levels);
    convolutions = List.copyOf(convolutions);
    for (Level level : levels) {
      if (level.width % 32 != 0) {
        throw EspalierException.config(
            "A level of the decoder has %d channels, no multiple of the 32 groups of its norms."
                .formatted(level.width),
            "Maybe the file is damaged.");
      }
    }
  }

  /** VAR's decoder, {@code vae_ch160v4096z32.pth}: 16 pixels a side for each vector. */
  static VqArchitecture publishedVar() {
    List<Level> levels = levels(new int[] {640, 320, 320, 160, 160});
    List<String> convolutions =
        List.of(
            "quantize.quant_resi.qresi_ls.0",
            "quantize.quant_resi.qresi_ls.1",
            "quantize.quant_resi.qresi_ls.2",
            "quantize.quant_resi.qresi_ls.3");
    return new VqArchitecture(4096, 32, 32, 3, levels, 3, true, true, convolutions);
  }

  /** Janus-Pro's decoder: 16 pixels a side for each vector. */
  static VqArchitecture publishedJanus() {
    List<Level> levels = levels(new int[] {512, 256, 256, 128, 128});
    return new VqArchitecture(16384, 8, 256, 1, levels, 3, true, false, List.of());
  }

  private static List<Level> levels(int[] widths) {
    List<Level> levels = new ArrayList<>();
    for (int i = 0; i < widths.length; i++) {
      levels.add(new Level(widths[i], i == 0, i + 1 < widths.length));
    }
    return levels;
  }

  /**
   * The weights with the coarsest level first: VAR numbers the finest one 0.
   *
   * @param source a checkpoint under VAR's names
   */
  static WeightSource coarsestFirst(WeightSource source) {
    int last = -1;
    for (String name : source.names()) {
      Matcher matcher = LEVEL.matcher(name);
      if (matcher.matches()) {
        last = Math.max(last, Integer.parseInt(matcher.group(1)));
      }
    }
    int highest = last;
    return source.renamed(
        name -> {
          Matcher matcher = LEVEL.matcher(name);
          return matcher.matches()
              ? "decoder.up."
                  + (highest - Integer.parseInt(matcher.group(1)))
                  + "."
                  + matcher.group(2)
              : name;
        });
  }

  /**
   * Reads the sizes.
   *
   * @param source weights with the coarsest level first
   * @throws EspalierException CONFIG where a key is missing or has another number of axes
   */
  static VqArchitecture of(WeightSource source) {
    String codebook = "quantize.embedding.weight";
    if (!source.names().contains(codebook)) {
      throw missing(source, codebook);
    }
    List<Level> levels = new ArrayList<>();
    while (source.names().contains("decoder.up." + levels.size() + ".block.0.conv1.weight")) {
      String prefix = "decoder.up." + levels.size() + ".";
      levels.add(
          new Level(
              size(source, prefix + "block.0.conv1.weight", 0, 4),
              source.names().contains(prefix + "attn.0.norm.weight"),
              source.names().contains(prefix + "upsample.conv.weight")));
    }
    if (levels.isEmpty()) {
      throw missing(source, "decoder.up.0.block.0.conv1.weight");
    }
    int blocks = 0;
    while (source.names().contains("decoder.up.0.block." + blocks + ".conv1.weight")) {
      blocks++;
    }
    List<String> convolutions = new ArrayList<>();
    for (String list : List.of("quantize.quant_resi.qresi_ls.", "quantize.quant_resi.")) {
      while (source.names().contains(list + convolutions.size() + ".weight")) {
        convolutions.add(list + convolutions.size());
      }
    }
    if (source.names().contains("quantize.quant_resi.qresi.weight")) {
      convolutions.add("quantize.quant_resi.qresi");
    }
    return new VqArchitecture(
        size(source, codebook, 0, 2),
        size(source, codebook, 1, 2),
        size(source, "decoder.conv_in.weight", 1, 4),
        size(source, "post_quant_conv.weight", 2, 4),
        levels,
        blocks,
        source.names().contains("decoder.mid.attn_1.norm.weight"),
        source.names().stream().anyMatch(name -> name.matches("decoder\\..*\\.qkv\\.weight")),
        convolutions);
  }

  private static EspalierException missing(WeightSource source, String name) {
    return EspalierException.config(
        "The weights %s lack the key %s: they are not those of a decoder over a codebook."
            .formatted(source.location(), name),
        "Maybe the paths of transformer and decoder are exchanged.");
  }

  /** Pixels a side of one vector. */
  int stride() {
    return 1 << levels.stream().filter(Level::upsampled).count();
  }

  /**
   * All weights of such a decoder; those of the encoder may be there.
   *
   * @param unread further patterns of keys that may be there
   */
  WeightSpec weights(String... unread) {
    WeightSpec.Builder spec = WeightSpec.builder();
    spec.fullPrecision("quantize.embedding.weight", vocabulary, channels);
    for (String convolution : convolutions) {
      spec.conv2d(convolution, channels, channels, 3);
    }
    spec.conv2d("post_quant_conv", latent, channels, postKernel);
    int in = levels.get(0).width;
    spec.conv2d("decoder.conv_in", in, latent, 3);
    residual(spec, "decoder.mid.block_1", in, in);
    if (middleAttention) {
      attention(spec, "decoder.mid.attn_1", in);
    }
    residual(spec, "decoder.mid.block_2", in, in);
    for (int i = 0; i < levels.size(); i++) {
      Level level = levels.get(i);
      String prefix = "decoder.up." + i + ".";
      for (int j = 0; j < blocks; j++) {
        residual(spec, prefix + "block." + j, level.width, in);
        in = level.width;
        if (level.attention) {
          attention(spec, prefix + "attn." + j, in);
        }
      }
      if (level.upsampled) {
        spec.conv2d(prefix + "upsample.conv", in, in, 3);
      }
    }
    spec.norm("decoder.norm_out", in);
    spec.conv2d("decoder.conv_out", 3, in, 3);
    return spec.ignore("encoder\\..*", "quant_conv\\..*", "quantize\\.ema_.*")
        .ignore(unread)
        .build();
  }

  private static void residual(WeightSpec.Builder spec, String prefix, int out, int in) {
    spec.norm(prefix + ".norm1", in).conv2d(prefix + ".conv1", out, in, 3);
    spec.norm(prefix + ".norm2", out).conv2d(prefix + ".conv2", out, out, 3);
    if (out != in) {
      spec.conv2d(prefix + ".nin_shortcut", out, in, 1);
    }
  }

  private void attention(WeightSpec.Builder spec, String prefix, int width) {
    spec.norm(prefix + ".norm", width).conv2d(prefix + ".proj_out", width, width, 1);
    if (joined) {
      spec.conv2d(prefix + ".qkv", 3L * width, width, 1);
    } else {
      for (String part : List.of(".q", ".k", ".v")) {
        spec.conv2d(prefix + part, width, width, 1);
      }
    }
  }

  /**
   * Floating-point operations of decoding one code.
   *
   * @param height of the code
   * @param width of the code
   */
  long decodeFlops(int height, int width) {
    long h = height;
    long w = width;
    int in = levels.get(0).width;
    long flops =
        Flops.conv2d(h, w, channels, latent, postKernel)
            + Flops.conv2d(h, w, latent, in, 3)
            + 2 * residualFlops(h, w, in, in)
            + (middleAttention ? attentionFlops(h * w, in) : 0);
    for (Level level : levels) {
      for (int j = 0; j < blocks; j++) {
        flops += residualFlops(h, w, in, level.width);
        in = level.width;
        flops += level.attention ? attentionFlops(h * w, in) : 0;
      }
      if (level.upsampled) {
        h *= 2;
        w *= 2;
        flops += Flops.conv2d(h, w, in, in, 3);
      }
    }
    return flops + Flops.conv2d(h, w, in, 3, 3);
  }

  /**
   * Floating-point operations of adding one scale's tokens to a summed code.
   *
   * @param height of the code
   * @param width of the code
   */
  long acceptFlops(int height, int width) {
    return Flops.conv2d(height, width, channels, channels, 3);
  }

  /**
   * Which convolution a scale's code passes: that of the place nearest to the scale's.
   *
   * @param scale from 0
   * @param scales how many
   * @return its prefix; null where there are none
   */
  @Nullable String convolution(int scale, int scales) {
    int count = convolutions.size();
    if (count < 2) {
      return count == 0 ? null : convolutions.get(0);
    }
    // In the order of operations of the reference's linspace, since a scale may lie half-way; with
    // four convolutions the ends lie nearer to 0 and 1.
    double first = 1.0 / (count == 4 ? 3 : 2) / count;
    double last = 1 - first;
    double spacing = (last - first) / (count - 1);
    double at = scales == 1 ? 0 : (double) scale / (scales - 1);
    int nearest = 0;
    double smallest = Double.POSITIVE_INFINITY;
    for (int i = 0; i < count; i++) {
      double place = i + 1 == count ? last : i * spacing + first;
      if (Math.abs(place - at) < smallest) {
        smallest = Math.abs(place - at);
        nearest = i;
      }
    }
    return convolutions.get(nearest);
  }

  private static long residualFlops(long h, long w, long in, long out) {
    return Flops.conv2d(h, w, in, out, 3)
        + Flops.conv2d(h, w, out, out, 3)
        + (in == out ? 0 : Flops.conv2d(h, w, in, out, 1));
  }

  private static long attentionFlops(long places, long width) {
    return 4 * Flops.linear(places, width, width) + Flops.attention(1, places, places, width);
  }
}
