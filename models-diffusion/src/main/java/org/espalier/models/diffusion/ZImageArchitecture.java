package org.espalier.models.diffusion;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.espalier.api.EspalierException;
import org.espalier.torch.DType;
import org.espalier.torch.Flops;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;
import org.jspecify.annotations.Nullable;

/**
 * The sizes of a transformer of Z-Image, read from the shapes of its weights.
 *
 * @param latentChannels channels of the latent
 * @param textWidth width of the text sequence
 * @param width of the model
 * @param mlpWidth width inside the feed-forward parts, behind the gate
 * @param heads attention heads
 * @param timeWidth width inside the embedding of times
 * @param refiners blocks for image and text each before they meet
 * @param layers blocks of the joined stream
 * @param normedQueries whether queries and keys are normalised
 * @param axes rotary channels for each of a position's axes; their sum is the head width
 * @param theta the rotary base
 * @param timeScale by which times are multiplied
 * @param eps added to mean squares
 */
record ZImageArchitecture(
    int latentChannels,
    int textWidth,
    int width,
    int mlpWidth,
    int heads,
    int timeWidth,
    int refiners,
    int layers,
    boolean normedQueries,
    List<Integer> axes,
    double theta,
    double timeScale,
    double eps)
    implements FlowArchitecture {

  /** Z-Image and Z-Image-Turbo. */
  static final ZImageArchitecture PUBLISHED =
      new ZImageArchitecture(
          16, 2560, 3840, 10240, 30, 1024, 2, 30, true, List.of(32, 48, 48), 256, 1000, 1e-5);

  private static final int PATCH = KlArchitecture.PATCH;

  /** Sequences are filled up to multiples of this. */
  private static final int FILL = 32;

  private static final int SINUSOID = 256;

  /** The widest vector that modulates blocks. */
  private static final int MODULATION = 256;

  ZImageArchitecture {
    axes = List.copyOf(axes);
    int head = width / heads;
    if (width % heads != 0
        || axes.size() != 3
        || axes.stream().anyMatch(axis -> axis <= 0 || axis % 2 != 0)
        || axes.stream().mapToInt(Integer::intValue).sum() != head) {
      throw EspalierException.config(
          "The rotary axes %s must be three positive even numbers that add up to the head width (%d)."
              .formatted(axes, head),
          "Maybe correct axes_dims in config.json.");
    }
  }

  /**
   * Weights in the keys that the program reads.
   *
   * @param source as published; closed with the result
   */
  static WeightSource layout(WeightSource source) {
    return DiffusersWeights.joinedProjections(source);
  }

  /**
   * Reads the sizes from the weights' shapes, and the rest from the configuration.
   *
   * @param weights in the program's keys
   * @param config the transformer's {@code config.json}; may be missing
   */
  static ZImageArchitecture of(WeightSource weights, JsonNode config) {
    String image = "all_x_embedder.2-1.weight";
    if (!weights.names().contains(image)) {
      throw EspalierException.config(
          "The weights " + weights.location() + " lack the key " + image + ".",
          "Maybe they are not of a Z-Image transformer.");
    }
    int width = weights.info(image).size(0);
    String queries = "layers.0.attention.norm_q.weight";
    boolean normed = weights.names().contains(queries);
    int heads =
        normed ? width / weights.info(queries).size(0) : config.path("n_heads").asInt(width / 128);
    int side = width / heads * 3 / 8;
    @Nullable List<Integer> axes = PipelineFiles.integers(config.path("axes_dims"));
    return new ZImageArchitecture(
        weights.info(image).size(1) / (PATCH * PATCH),
        weights.info("cap_embedder.1.weight").size(1),
        width,
        weights.info("layers.0.feed_forward.w2.weight").size(1),
        heads,
        weights.info("t_embedder.mlp.0.weight").size(0),
        FluxArchitecture.count(weights, "noise_refiner.%d.attention_norm1.weight"),
        FluxArchitecture.count(weights, "layers.%d.attention_norm1.weight"),
        normed,
        axes != null ? axes : List.of(width / heads - 2 * side, side, side),
        config.path("rope_theta").asDouble(256),
        config.path("t_scale").asDouble(1000),
        config.path("norm_eps").asDouble(1e-5));
  }

  private int modulationWidth() {
    return Math.min(width, MODULATION);
  }

  @Override
  public TorchProgram.Builder program() {
    return TorchProgram.builder("ZImage")
        .text(ZImageArchitecture.class, "blocks.py")
        .text(ZImageArchitecture.class, "zimage.py")
        .attribute("heads", heads)
        .attribute("refiners", refiners)
        .attribute("layers", layers)
        .attribute("axes", axes)
        .attribute("theta", theta)
        .attribute("t_scale", timeScale)
        .attribute("eps", eps);
  }

  @Override
  public long[] latentShape(int rows, int columns) {
    return new long[] {latentChannels, (long) PATCH * rows, (long) PATCH * columns};
  }

  @Override
  public WeightSpec spec() {
    long patch = (long) PATCH * PATCH * latentChannels;
    WeightSpec.Builder spec =
        WeightSpec.builder()
            .linear("all_x_embedder.2-1", width, patch)
            .key("cap_embedder.0.weight", textWidth)
            .linear("cap_embedder.1", width, textWidth)
            .key("x_pad_token", 1, width)
            .key("cap_pad_token", 1, width)
            .linear("t_embedder.mlp.0", timeWidth, SINUSOID)
            .linear("t_embedder.mlp.2", modulationWidth(), timeWidth)
            .linear("all_final_layer.2-1.linear", patch, width)
            .linear("all_final_layer.2-1.adaLN_modulation.1", width, modulationWidth());
    for (int i = 0; i < refiners; i++) {
      block(spec, "noise_refiner." + i, true);
      block(spec, "context_refiner." + i, false);
    }
    for (int i = 0; i < layers; i++) {
      block(spec, "layers." + i, true);
    }
    return spec.build();
  }

  private void block(WeightSpec.Builder spec, String p, boolean modulated) {
    spec.key(p + ".attention.qkv.weight", 3L * width, width)
        .key(p + ".attention.to_out.0.weight", width, width)
        .key(p + ".feed_forward.w13.weight", 2L * mlpWidth, width)
        .key(p + ".feed_forward.w2.weight", width, mlpWidth);
    if (normedQueries) {
      spec.key(p + ".attention.norm_q.weight", width / heads)
          .key(p + ".attention.norm_k.weight", width / heads);
    }
    for (String norm : List.of("attention_norm1", "attention_norm2", "ffn_norm1", "ffn_norm2")) {
      spec.key(p + "." + norm + ".weight", width);
    }
    if (modulated) {
      spec.linear(p + ".adaLN_modulation.0", 4L * width, modulationWidth());
    }
  }

  private static long filled(long tokens) {
    return (tokens + FILL - 1) / FILL * FILL;
  }

  @Override
  public long tokens(int rows, int columns, int textTokens) {
    return filled((long) rows * columns) + filled(textTokens);
  }

  @Override
  public long flops(int rows, int columns, int textTokens) {
    long image = (long) rows * columns;
    long patch = (long) PATCH * PATCH * latentChannels;
    long modulation = Flops.linear(1, modulationWidth(), 4L * width);
    return Flops.linear(image, patch, width)
        + Flops.linear(textTokens, textWidth, width)
        + Flops.linear(1, SINUSOID, timeWidth)
        + Flops.linear(1, timeWidth, modulationWidth())
        + refiners * (block(filled(image)) + modulation + block(filled(textTokens)))
        + layers * (block(filled(image) + filled(textTokens)) + modulation)
        + Flops.linear(1, modulationWidth(), width)
        + Flops.linear(image, width, patch);
  }

  private long block(long tokens) {
    return Flops.linear(tokens, width, 4L * width)
        + Flops.attention(heads, tokens, tokens, width / heads)
        + 3 * Flops.linear(tokens, width, mlpWidth);
  }

  /**
   * Counted are, for each token, the residual stream and its normed copy, and the larger of two:
   * projections and turned queries and keys in the program's type with their float32 copies, or the
   * feed-forward part before and behind its gate; and in float32 text, latent and velocity.
   */
  @Override
  public long bytes(int rows, int columns, int textTokens, DType dtype) {
    long attention = dtype.bytes() * 5L * width + DType.F32.bytes() * 4L * width;
    long dense = dtype.bytes() * 3L * mlpWidth;
    long ends =
        (long) textTokens * textWidth + 2L * rows * columns * PATCH * PATCH * latentChannels;
    return tokens(rows, columns, textTokens)
            * (dtype.bytes() * 2L * width + Math.max(attention, dense))
        + DType.F32.bytes() * ends;
  }
}
