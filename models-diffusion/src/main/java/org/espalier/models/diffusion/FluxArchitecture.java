package org.espalier.models.diffusion;

import java.util.List;
import org.espalier.api.EspalierException;
import org.espalier.torch.DType;
import org.espalier.torch.Flops;
import org.espalier.torch.TensorInfo;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;
import org.jspecify.annotations.Nullable;

/**
 * The sizes of a FLUX transformer, read from the shapes of its weights.
 *
 * @param latentChannels channels of an image token: a packed patch of the latent
 * @param textWidth width of the T5 sequence
 * @param pooledWidth width of the pooled CLIP vector
 * @param width of the model
 * @param mlpWidth width inside the feed-forward parts
 * @param heads attention heads
 * @param doubleBlocks blocks with separate streams for image and text
 * @param singleBlocks blocks with one stream
 * @param axes rotary channels for each of a position's axes; their sum is the head width
 * @param theta the rotary base
 * @param guidanceEmbedded whether there is an embedding of the guidance scale ({@code dev})
 * @param qkvBias whether query, key and value projections have biases
 */
record FluxArchitecture(
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
    boolean guidanceEmbedded,
    boolean qkvBias) {

  /** Latent pixels a side that make one token. */
  static final int PATCH = 2;

  /** FLUX.1-dev. */
  static final FluxArchitecture PUBLISHED =
      new FluxArchitecture(
          64, 4096, 768, 3072, 12288, 24, 19, 38, List.of(16, 56, 56), 10000, true, true);

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
    if (axes.size() != 3 || axes.stream().anyMatch(axis -> axis <= 0 || axis % 2 != 0)) {
      throw EspalierException.config(
          "The rotary axes " + axes + " must be three positive even numbers.",
          "Maybe correct axes_dim in config.json.");
    }
  }

  /**
   * Reads the sizes from the weights' shapes.
   *
   * @param weights in Black Forest Labs' keys
   * @param axes rotary axes of the configuration, or null for FLUX.1's proportions (1 : 3.5 : 3.5)
   * @param theta the rotary base; 10000 in FLUX.1
   */
  static FluxArchitecture of(WeightSource weights, @Nullable List<Integer> axes, double theta) {
    TensorInfo imageIn = weights.info("img_in.weight");
    int width = imageIn.size(0);
    int doubleBlocks = count(weights, "double_blocks.%d.img_mod.lin.weight");
    int singleBlocks = count(weights, "single_blocks.%d.modulation.lin.weight");
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
            ? weights.info("double_blocks.0.img_mlp.0.weight").size(0)
            : weights.info("single_blocks.0.linear1.weight").size(0) - 3 * width;
    int side = head * 7 / 16;
    return new FluxArchitecture(
        imageIn.size(1),
        weights.info("txt_in.weight").size(1),
        weights.info("vector_in.in_layer.weight").size(1),
        width,
        mlpWidth,
        width / head,
        doubleBlocks,
        singleBlocks,
        axes != null ? axes : List.of(head - 2 * side, side, side),
        theta,
        weights.names().contains("guidance_in.in_layer.weight"),
        doubleBlocks == 0 || weights.names().contains("double_blocks.0.img_attn.qkv.bias"));
  }

  private static int count(WeightSource weights, String pattern) {
    int count = 0;
    while (weights.names().contains(pattern.formatted(count))) {
      count++;
    }
    return count;
  }

  /** Keys and shapes of the weights. */
  WeightSpec spec() {
    WeightSpec.Builder spec = WeightSpec.builder();
    spec.linear("img_in", width, latentChannels);
    spec.linear("txt_in", width, textWidth);
    embedder(spec, "time_in", SINUSOID);
    if (guidanceEmbedded) {
      embedder(spec, "guidance_in", SINUSOID);
    }
    embedder(spec, "vector_in", pooledWidth);
    int head = width / heads;
    for (int i = 0; i < doubleBlocks; i++) {
      for (String stream : List.of("img", "txt")) {
        String p = "double_blocks." + i + "." + stream;
        spec.linear(p + "_mod.lin", 6L * width, width);
        if (qkvBias) {
          spec.linear(p + "_attn.qkv", 3L * width, width);
        } else {
          spec.key(p + "_attn.qkv.weight", 3L * width, width);
        }
        spec.key(p + "_attn.norm.query_norm.scale", head);
        spec.key(p + "_attn.norm.key_norm.scale", head);
        spec.linear(p + "_attn.proj", width, width);
        spec.linear(p + "_mlp.0", mlpWidth, width);
        spec.linear(p + "_mlp.2", width, mlpWidth);
      }
    }
    for (int i = 0; i < singleBlocks; i++) {
      String p = "single_blocks." + i + ".";
      spec.linear(p + "modulation.lin", 3L * width, width);
      spec.linear(p + "linear1", 3L * width + mlpWidth, width);
      spec.linear(p + "linear2", width, (long) width + mlpWidth);
      spec.key(p + "norm.query_norm.scale", head);
      spec.key(p + "norm.key_norm.scale", head);
    }
    spec.linear("final_layer.adaLN_modulation.1", 2L * width, width);
    spec.linear("final_layer.linear", latentChannels, width);
    return spec.build();
  }

  private void embedder(WeightSpec.Builder spec, String prefix, int in) {
    spec.linear(prefix + ".in_layer", width, in);
    spec.linear(prefix + ".out_layer", width, width);
  }

  /**
   * Floating-point operations of one row's evaluation.
   *
   * @param imageTokens latent patches
   * @param textTokens length of the T5 sequence, padding included
   */
  long flops(int imageTokens, int textTokens) {
    long tokens = (long) imageTokens + textTokens;
    long attention = Flops.attention(heads, tokens, tokens, width / heads);
    long embedding = Flops.linear(1, SINUSOID, width) + Flops.linear(1, width, width);
    long conditioning =
        embedding * (guidanceEmbedded ? 2 : 1)
            + Flops.linear(1, pooledWidth, width)
            + Flops.linear(1, width, width);
    // Modulations act on one vector a row; every other linear layer on every token of its stream.
    long doubleBlock =
        2 * Flops.linear(1, width, 6L * width)
            + Flops.linear(tokens, width, 3L * width)
            + Flops.linear(tokens, width, width)
            + 2 * Flops.linear(tokens, width, mlpWidth)
            + attention;
    long singleBlock =
        Flops.linear(1, width, 3L * width)
            + Flops.linear(tokens, width, 3L * width + mlpWidth)
            + Flops.linear(tokens, (long) width + mlpWidth, width)
            + attention;
    return Flops.linear(imageTokens, latentChannels, width)
        + Flops.linear(textTokens, textWidth, width)
        + conditioning
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
   *
   * @param imageTokens latent patches
   * @param textTokens length of the T5 sequence, padding included
   * @param dtype in which the program computes
   */
  long bytes(int imageTokens, int textTokens, DType dtype) {
    long joined = (long) width + mlpWidth;
    long typed = width + 2L * width + joined + (2L * width + joined);
    long turned = 2 * 2L * width;
    long tokens = (long) imageTokens + textTokens;
    long ends = (long) textTokens * textWidth + 2L * imageTokens * latentChannels;
    return tokens * (dtype.bytes() * typed + DType.F32.bytes() * turned) + DType.F32.bytes() * ends;
  }
}
