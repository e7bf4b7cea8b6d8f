package org.espalier.models.diffusion;

import com.fasterxml.jackson.databind.JsonNode;
import org.espalier.api.EspalierException;
import org.espalier.torch.DType;
import org.espalier.torch.Flops;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;

/**
 * The sizes of a transformer of SANA, read from the shapes of its weights and, for its heads, from
 * its configuration.
 *
 * @param latentChannels channels of the latent, of which each pixel is a token
 * @param textWidth width of the text sequence
 * @param width of the model
 * @param crossWidth width of the attention to the text
 * @param mlpWidth width inside the convolutions, behind the gate
 * @param heads of the linear attention
 * @param textHeads of the attention to the text
 * @param layers blocks
 * @param normedQueries whether queries and keys are normalised
 * @param qkvBias whether the linear attention's projections have biases
 * @param timeScale by which times are multiplied
 * @param eps added to variances
 */
record SanaArchitecture(
    int latentChannels,
    int textWidth,
    int width,
    int crossWidth,
    int mlpWidth,
    int heads,
    int textHeads,
    int layers,
    boolean normedQueries,
    boolean qkvBias,
    double timeScale,
    double eps)
    implements FlowArchitecture {

  /** SANA-1.5 of 1.6 billion weights. */
  static final SanaArchitecture SMALL =
      new SanaArchitecture(32, 2304, 2240, 2240, 5600, 70, 20, 20, true, false, 1, 1e-6);

  /** SANA-1.5 of 4.8 billion weights. */
  static final SanaArchitecture LARGE =
      new SanaArchitecture(32, 2304, 2240, 2240, 5600, 70, 20, 60, true, false, 1, 1e-6);

  private static final int SINUSOID = 256;

  SanaArchitecture {
    if (width % heads != 0 || crossWidth % textHeads != 0) {
      throw EspalierException.config(
          "The heads (%d and %d) do not divide the widths (%d and %d)."
              .formatted(heads, textHeads, width, crossWidth),
          "Maybe correct num_attention_heads in config.json.");
    }
  }

  /**
   * Reads the sizes.
   *
   * @param weights in diffusers' keys
   * @param config the transformer's {@code config.json}
   */
  static SanaArchitecture of(WeightSource weights, JsonNode config) {
    String image = "patch_embed.proj.weight";
    if (!weights.names().contains(image)) {
      throw EspalierException.config(
          "The weights " + weights.location() + " lack the key " + image + ".",
          "Maybe they are not of a SANA transformer in diffusers' layout.");
    }
    if (weights.info(image).size(2) != 1 || config.hasNonNull("interpolation_scale")) {
      throw EspalierException.config(
          "The weights %s have patches of %d pixels or embedded positions, which are not supported."
              .formatted(weights.location(), weights.info(image).size(2)),
          "Maybe use a SANA of 1024 pixels, such as SANA1.5_1.6B_1024px_diffusers.");
    }
    if (config.path("guidance_embeds").asBoolean()) {
      throw EspalierException.config(
          "The weights %s are of SANA-Sprint, which is not supported."
              .formatted(weights.location()),
          "Maybe use SANA-1.5.");
    }
    int width = weights.info(image).size(0);
    int cross = weights.info("transformer_blocks.0.attn2.to_q.weight").size(0);
    return new SanaArchitecture(
        weights.info(image).size(1),
        weights.info("caption_projection.linear_1.weight").size(1),
        width,
        cross,
        weights.info("transformer_blocks.0.ff.conv_point.weight").size(1),
        config.path("num_attention_heads").asInt(width / 32),
        config.path("num_cross_attention_heads").asInt(cross / 112),
        FluxArchitecture.count(weights, "transformer_blocks.%d.ff.conv_point.weight"),
        weights.names().contains("transformer_blocks.0.attn1.norm_q.weight"),
        weights.names().contains("transformer_blocks.0.attn1.to_q.bias"),
        config.path("timestep_scale").asDouble(1),
        config.path("norm_eps").asDouble(1e-6));
  }

  @Override
  public TorchProgram.Builder program() {
    return TorchProgram.builder("Sana")
        .text(SanaArchitecture.class, "blocks.py")
        .text(SanaArchitecture.class, "linear_attention.py")
        .text(SanaArchitecture.class, "sana.py")
        .attribute("heads", heads)
        .attribute("text_heads", textHeads)
        .attribute("layers", layers)
        .attribute("time_scale", timeScale)
        .attribute("eps", eps);
  }

  @Override
  public long[] latentShape(int rows, int columns) {
    return new long[] {latentChannels, rows, columns};
  }

  @Override
  public WeightSpec spec() {
    WeightSpec.Builder spec =
        WeightSpec.builder()
            .conv2d("patch_embed.proj", width, latentChannels, 1)
            .linear("time_embed.emb.timestep_embedder.linear_1", width, SINUSOID)
            .linear("time_embed.emb.timestep_embedder.linear_2", width, width)
            .linear("time_embed.linear", 6L * width, width)
            .linear("caption_projection.linear_1", width, textWidth)
            .linear("caption_projection.linear_2", width, width)
            .key("caption_norm.weight", width)
            .key("scale_shift_table", 2, width)
            .linear("proj_out", latentChannels, width);
    for (int i = 0; i < layers; i++) {
      String p = "transformer_blocks." + i + ".";
      spec.key(p + "scale_shift_table", 6, width);
      for (String part : new String[] {"to_q", "to_k", "to_v"}) {
        if (qkvBias) {
          spec.linear(p + "attn1." + part, width, width);
        } else {
          spec.key(p + "attn1." + part + ".weight", width, width);
        }
        spec.linear(p + "attn2." + part, crossWidth, width);
      }
      spec.linear(p + "attn1.to_out.0", width, width);
      spec.linear(p + "attn2.to_out.0", width, crossWidth);
      if (normedQueries) {
        for (String norm : new String[] {"norm_q", "norm_k"}) {
          spec.key(p + "attn1." + norm + ".weight", width);
          spec.key(p + "attn2." + norm + ".weight", crossWidth);
        }
      }
      gatedConvolutions(spec, p + "ff", width, mlpWidth);
    }
    return spec.build();
  }

  /**
   * Keys of convolutions with a gate.
   *
   * @param spec to which they are added
   * @param p their prefix
   * @param channels outside
   * @param inner channels behind the gate
   */
  static void gatedConvolutions(WeightSpec.Builder spec, String p, long channels, long inner) {
    spec.conv2d(p + ".conv_inverted", 2 * inner, channels, 1)
        .conv2d(p + ".conv_depth", 2 * inner, 1, 3)
        .key(p + ".conv_point.weight", channels, inner, 1, 1);
  }

  /**
   * Floating-point operations of convolutions with a gate.
   *
   * @param pixels how many
   * @param channels outside
   * @param inner channels behind the gate
   */
  static long gatedConvolutionFlops(long pixels, long channels, long inner) {
    return Flops.linear(pixels, channels, 2 * inner)
        + Flops.linear(pixels, 9, 2 * inner)
        + Flops.linear(pixels, inner, channels);
  }

  /**
   * Floating-point operations of linear attention: the sums over tokens, with the row of ones, and
   * their products with the queries.
   *
   * @param heads how many
   * @param tokens how many
   * @param head width of one
   */
  static long linearAttentionFlops(long heads, long tokens, long head) {
    return Flops.matmul(heads, head + 1, tokens, head)
        + Flops.matmul(heads, head + 1, head, tokens);
  }

  @Override
  public long flops(int rows, int columns, int textTokens) {
    long image = (long) rows * columns;
    long layer =
        4 * Flops.linear(image, width, width)
            + linearAttentionFlops(heads, image, width / heads)
            + 2 * Flops.linear(image, width, crossWidth)
            + 2 * Flops.linear(textTokens, width, crossWidth)
            + Flops.attention(textHeads, image, textTokens, crossWidth / textHeads)
            + gatedConvolutionFlops(image, width, mlpWidth);
    return 2 * Flops.linear(image, latentChannels, width)
        + Flops.linear(1, SINUSOID, width)
        + Flops.linear(1, width, 7L * width)
        + Flops.linear(textTokens, textWidth, width)
        + Flops.linear(textTokens, width, width)
        + layers * layer;
  }

  /**
   * Counted are, for each image token, the residual stream and its normed copy, and the larger of
   * two: projections with their float32 copies, or the convolutions' channels before and behind the
   * depthwise one and the gate; the text twice; in float32 text, latent and velocity.
   */
  @Override
  public long bytes(int rows, int columns, int textTokens, DType dtype) {
    long image = (long) rows * columns;
    long attention = dtype.bytes() * 4L * width + DType.F32.bytes() * 4L * width;
    long dense = dtype.bytes() * 5L * mlpWidth;
    return image * (dtype.bytes() * 2L * width + Math.max(attention, dense))
        + dtype.bytes() * 3L * textTokens * width
        + DType.F32.bytes() * ((long) textTokens * textWidth + 2L * image * latentChannels);
  }
}
