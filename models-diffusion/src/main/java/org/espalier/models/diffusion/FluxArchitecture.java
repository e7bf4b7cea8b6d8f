package org.espalier.models.diffusion;

import java.util.List;
import org.espalier.api.EspalierException;
import org.espalier.torch.DType;
import org.espalier.torch.Flops;
import org.espalier.torch.TensorInfo;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;
import org.jspecify.annotations.Nullable;

/**
 * The sizes of a transformer of FLUX.1 or FLUX.2, read from the shapes of its weights.
 *
 * @param second whether it is of FLUX.2: one modulation for all blocks of a kind, gated
 *     feed-forward layers, no biases, no pooled vector, a fourth axis of positions
 * @param latentChannels channels of an image token: a packed patch of the latent
 * @param textWidth width of the text sequence
 * @param pooledWidth width of the pooled CLIP vector; 0 in FLUX.2
 * @param width of the model
 * @param mlpWidth width inside the feed-forward parts, behind the gate
 * @param heads attention heads
 * @param doubleBlocks blocks with separate streams for image and text
 * @param singleBlocks blocks with one stream
 * @param axes rotary channels for each of a position's axes; their sum is the head width
 * @param theta the rotary base
 * @param eps added to variances and mean squares
 * @param guidanceEmbedded whether there is an embedding of the guidance scale ({@code dev})
 * @param qkvBias whether query, key and value projections have biases
 */
record FluxArchitecture(
    boolean second,
    int latentChannels,
    int textWidth,
    int pooledWidth,
    int width,
    int mlpWidth,
    int heads,
    int doubleBlocks,
    int singleBlocks,
    List<Integer> axes,
    double theta,
    double eps,
    boolean guidanceEmbedded,
    boolean qkvBias)
    implements FlowArchitecture {

  /** FLUX.1-dev. */
  static final FluxArchitecture DEV =
      new FluxArchitecture(
          false,
          64,
          4096,
          768,
          3072,
          12288,
          24,
          19,
          38,
          List.of(16, 56, 56),
          10000,
          1e-6,
          true,
          true);

  /** FLUX.2-klein-4B. */
  static final FluxArchitecture KLEIN_4B =
      new FluxArchitecture(
          true,
          128,
          7680,
          0,
          3072,
          9216,
          24,
          5,
          20,
          List.of(32, 32, 32, 32),
          2000,
          1e-6,
          false,
          false);

  /** FLUX.2-klein-9B. */
  static final FluxArchitecture KLEIN_9B =
      new FluxArchitecture(
          true,
          128,
          12288,
          0,
          4096,
          12288,
          32,
          8,
          24,
          List.of(32, 32, 32, 32),
          2000,
          1e-6,
          false,
          false);

  /** Width of the sinusoidal embedding of times and guidance scales. */
  private static final int SINUSOID = 256;

  FluxArchitecture {
    axes = List.copyOf(axes);
    int head = width / heads;
    if (width % heads != 0 || axes.stream().mapToInt(Integer::intValue).sum() != head) {
      throw EspalierException.config(
          "The rotary axes " + axes + " do not add up to the head width (" + head + ").",
          "Maybe correct axes_dim in config.json.");
    }
    int wanted = second ? 4 : 3;
    if (axes.size() != wanted || axes.stream().anyMatch(axis -> axis <= 0 || axis % 2 != 0)) {
      throw EspalierException.config(
          "The rotary axes %s must be %s positive even numbers."
              .formatted(axes, second ? "four" : "three"),
          "Maybe correct axes_dim in config.json.");
    }
  }

  /**
   * Reads the sizes from the weights' shapes.
   *
   * @param weights in Black Forest Labs' keys
   * @param axes rotary axes of the configuration, or null for the published proportions (1 : 3.5 :
   *     3.5 in FLUX.1, four equal ones in FLUX.2)
   * @param theta the rotary base, or null for the published one (10000 in FLUX.1, 2000 in FLUX.2)
   * @param eps added to variances and mean squares, 1e-6 in all published weights
   */
  static FluxArchitecture of(
      WeightSource weights, @Nullable List<Integer> axes, @Nullable Double theta, double eps) {
    TensorInfo imageIn = weights.info("img_in.weight");
    boolean second = weights.names().contains("single_stream_modulation.lin.weight");
    int width = imageIn.size(0);
    int doubleBlocks = count(weights, "double_blocks.%d.img_attn.proj.weight");
    int singleBlocks = count(weights, "single_blocks.%d.linear2.weight");
    if (doubleBlocks == 0 && singleBlocks == 0) {
      throw EspalierException.config(
          "The weights " + weights.location() + " have no transformer blocks.",
          "Maybe the download is not complete.");
    }
    String headNorm =
        doubleBlocks > 0
            ? "double_blocks.0.img_attn.norm.query_norm.scale"
            : "single_blocks.0.norm.query_norm.scale";
    int head = weights.info(headNorm).size(0);
    if (head <= 0 || width % head != 0) {
      throw EspalierException.config(
          "The head width (%d) of %s does not divide the model width (%d)."
              .formatted(head, weights.location(), width),
          "Maybe the file is not a FLUX transformer.");
    }
    int mlpWidth =
        doubleBlocks > 0
            ? weights.info("double_blocks.0.img_mlp.2.weight").size(1)
            : weights.info("single_blocks.0.linear2.weight").size(1) - width;
    int side = head * 7 / 16;
    List<Integer> usual =
        second
            ? List.of(head / 4, head / 4, head / 4, head / 4)
            : List.of(head - 2 * side, side, side);
    return new FluxArchitecture(
        second,
        imageIn.size(1),
        weights.info("txt_in.weight").size(1),
        second ? 0 : weights.info("vector_in.in_layer.weight").size(1),
        width,
        mlpWidth,
        width / head,
        doubleBlocks,
        singleBlocks,
        axes != null ? axes : usual,
        theta != null ? theta : second ? 2000 : 10000,
        eps,
        weights.names().contains("guidance_in.in_layer.weight"),
        !second
            && (doubleBlocks == 0
                || weights.names().contains("double_blocks.0.img_attn.qkv.bias")));
  }

  /** The same sizes without the embedding of the guidance scale: schnell. */
  FluxArchitecture withoutGuidance() {
    return new FluxArchitecture(
        second,
        latentChannels,
        textWidth,
        pooledWidth,
        width,
        mlpWidth,
        heads,
        doubleBlocks,
        singleBlocks,
        axes,
        theta,
        eps,
        false,
        qkvBias);
  }

  /**
   * How many of numbered keys there are.
   *
   * @param weights the weights
   * @param pattern of the keys, with a place for the number
   */
  static int count(WeightSource weights, String pattern) {
    int count = 0;
    while (weights.names().contains(pattern.formatted(count))) {
      count++;
    }
    return count;
  }

  /**
   * Refuses an autoencoder of other channels.
   *
   * @param image the autoencoder
   * @param transformer where this comes from, for messages
   * @param autoencoder where the autoencoder comes from, for messages
   */
  void requireLatent(KlArchitecture image, Object transformer, Object autoencoder) {
    int packed = KlArchitecture.PATCH * KlArchitecture.PATCH * image.latentChannels();
    if (latentChannels != packed) {
      throw EspalierException.config(
          "The transformer %s reads %d channels a token, but the autoencoder %s gives %d (%d x 2 x 2)."
              .formatted(transformer, latentChannels, autoencoder, packed, image.latentChannels()),
          "Maybe set autoencoder to the one that the transformer was trained with.");
    }
  }

  @Override
  public TorchProgram.Builder program() {
    return TorchProgram.builder("Flux")
        .text(FluxArchitecture.class, "blocks.py")
        .text(FluxArchitecture.class, "flux.py")
        .attribute("double_blocks", doubleBlocks)
        .attribute("single_blocks", singleBlocks)
        .attribute("heads", heads)
        .attribute("mlp_width", mlpWidth)
        .attribute("theta", theta)
        .attribute("axes", axes)
        .attribute("eps", eps)
        .attribute("shared", second)
        .attribute("gated", second)
        .attribute("guidance", 0.0);
  }

  @Override
  public long[] latentShape(int rows, int columns) {
    return new long[] {(long) rows * columns, latentChannels};
  }

  @Override
  public WeightSpec spec() {
    WeightSpec.Builder spec = WeightSpec.builder();
    layer(spec, "img_in", width, latentChannels);
    layer(spec, "txt_in", width, textWidth);
    embedder(spec, "time_in", SINUSOID);
    if (guidanceEmbedded) {
      embedder(spec, "guidance_in", SINUSOID);
    }
    if (second) {
      layer(spec, "double_stream_modulation_img.lin", 6L * width, width);
      layer(spec, "double_stream_modulation_txt.lin", 6L * width, width);
      layer(spec, "single_stream_modulation.lin", 3L * width, width);
    } else {
      embedder(spec, "vector_in", pooledWidth);
    }
    int head = width / heads;
    for (int i = 0; i < doubleBlocks; i++) {
      for (String stream : List.of("img", "txt")) {
        String p = "double_blocks." + i + "." + stream;
        if (!second) {
          spec.linear(p + "_mod.lin", 6L * width, width);
        }
        if (qkvBias) {
          spec.linear(p + "_attn.qkv", 3L * width, width);
        } else {
          spec.key(p + "_attn.qkv.weight", 3L * width, width);
        }
        spec.key(p + "_attn.norm.query_norm.scale", head);
        spec.key(p + "_attn.norm.key_norm.scale", head);
        layer(spec, p + "_attn.proj", width, width);
        layer(spec, p + "_mlp.0", entering(), width);
        layer(spec, p + "_mlp.2", width, mlpWidth);
      }
    }
    for (int i = 0; i < singleBlocks; i++) {
      String p = "single_blocks." + i;
      if (!second) {
        spec.linear(p + ".modulation.lin", 3L * width, width);
      }
      layer(spec, p + ".linear1", 3L * width + entering(), width);
      layer(spec, p + ".linear2", width, (long) width + mlpWidth);
      spec.key(p + ".norm.query_norm.scale", head);
      spec.key(p + ".norm.key_norm.scale", head);
    }
    layer(spec, "final_layer.adaLN_modulation.1", 2L * width, width);
    layer(spec, "final_layer.linear", latentChannels, width);
    return spec.build();
  }

  /** Width before the gate of the feed-forward parts. */
  private long entering() {
    return (second ? 2L : 1L) * mlpWidth;
  }

  private void layer(WeightSpec.Builder spec, String prefix, long out, long in) {
    if (second) {
      spec.key(prefix + ".weight", out, in);
    } else {
      spec.linear(prefix, out, in);
    }
  }

  private void embedder(WeightSpec.Builder spec, String prefix, int in) {
    layer(spec, prefix + ".in_layer", width, in);
    layer(spec, prefix + ".out_layer", width, width);
  }

  @Override
  public long flops(int rows, int columns, int textTokens) {
    long imageTokens = (long) rows * columns;
    long tokens = imageTokens + textTokens;
    long attention = Flops.attention(heads, tokens, tokens, width / heads);
    long embedding = Flops.linear(1, SINUSOID, width) + Flops.linear(1, width, width);
    long conditioning =
        embedding * (guidanceEmbedded ? 2 : 1)
            + (second ? 0 : Flops.linear(1, pooledWidth, width) + Flops.linear(1, width, width));
    // Modulations act on one vector a row; every other linear layer on every token of its stream.
    long doubleModulation = 2 * Flops.linear(1, width, 6L * width);
    long singleModulation = Flops.linear(1, width, 3L * width);
    long modulations =
        second
            ? doubleModulation + singleModulation
            : doubleBlocks * doubleModulation + singleBlocks * singleModulation;
    long doubleBlock =
        Flops.linear(tokens, width, 3L * width)
            + Flops.linear(tokens, width, width)
            + Flops.linear(tokens, width, entering())
            + Flops.linear(tokens, mlpWidth, width)
            + attention;
    long singleBlock =
        Flops.linear(tokens, width, 3L * width + entering())
            + Flops.linear(tokens, (long) width + mlpWidth, width)
            + attention;
    return Flops.linear(imageTokens, latentChannels, width)
        + Flops.linear(textTokens, textWidth, width)
        + conditioning
        + modulations
        + doubleBlocks * doubleBlock
        + singleBlocks * singleBlock
        + Flops.linear(1, width, 2L * width)
        + Flops.linear(imageTokens, width, latentChannels);
  }

  /**
   * Bytes that one row takes during an evaluation, at its peak: in a single block, while queries
   * and keys are turned. Counted are, for each token, the residual stream, queries and keys, the
   * joined input of the second linear layer (attention and feed-forward part) and the output of the
   * first (queries, keys, values and feed-forward part) in the program's type; queries and keys in
   * float32 before and after they are turned; and in float32 the text, the latent and the velocity.
   * A double block needs less: it has no joined layers. Not counted are vectors of a whole row
   * (times, modulations), which are less than one token's share, and the workspace of kernels.
   */
  @Override
  public long bytes(int rows, int columns, int textTokens, DType dtype) {
    long imageTokens = (long) rows * columns;
    long joined = (long) width + mlpWidth;
    long typed = width + 2L * width + joined + (3L * width + entering());
    long turned = 2 * 2L * width;
    long tokens = imageTokens + textTokens;
    long ends = (long) textTokens * textWidth + 2L * imageTokens * latentChannels;
    return tokens * (dtype.bytes() * typed + DType.F32.bytes() * turned) + DType.F32.bytes() * ends;
  }
}
