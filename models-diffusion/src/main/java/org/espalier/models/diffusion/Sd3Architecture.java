package org.espalier.models.diffusion;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.stream.IntStream;
import org.espalier.api.EspalierException;
import org.espalier.torch.DType;
import org.espalier.torch.Flops;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;

/**
 * The sizes of a transformer of Stable Diffusion 3.5, read from the shapes of its weights.
 *
 * @param latentChannels channels of the latent
 * @param textWidth width of the text sequence
 * @param pooledWidth width of the pooled vector
 * @param width of the model
 * @param mlpWidth width inside the feed-forward parts
 * @param heads attention heads
 * @param layers blocks with separate streams for image and text
 * @param dualLayers numbers of the blocks in which the image also attends to itself alone
 * @param normedQueries whether queries and keys are normalised
 * @param positionsSide side of the square of position embeddings, in tokens
 */
record Sd3Architecture(
    int latentChannels,
    int textWidth,
    int pooledWidth,
    int width,
    int mlpWidth,
    int heads,
    int layers,
    List<Integer> dualLayers,
    boolean normedQueries,
    int positionsSide)
    implements FlowArchitecture {

  /** SD3.5-medium. */
  static final Sd3Architecture MEDIUM =
      new Sd3Architecture(16, 4096, 2048, 1536, 6144, 24, 24, firstLayers(13), true, 384);

  /** SD3.5-large. */
  static final Sd3Architecture LARGE =
      new Sd3Architecture(16, 4096, 2048, 2432, 9728, 38, 38, List.of(), true, 192);

  private static final int PATCH = KlArchitecture.PATCH;
  private static final int SINUSOID = 256;

  Sd3Architecture {
    dualLayers = List.copyOf(dualLayers);
  }

  private static List<Integer> firstLayers(int count) {
    return IntStream.range(0, count).boxed().toList();
  }

  /**
   * Weights in Stability AI's keys, from either layout.
   *
   * @param source a diffusers transformer, or a file of Stability AI with all that it holds
   */
  static WeightSource layout(WeightSource source) {
    return source.names().contains("pos_embed.pos_embed")
        ? DiffusersWeights.sd3(source)
        : part(source, "model.diffusion_model.", "first_stage_model.");
  }

  /**
   * The autoencoder's weights in Black Forest Labs' keys, from any layout.
   *
   * @param source a diffusers autoencoder, one of latent diffusion, or a file of Stability AI
   */
  static WeightSource imageLayout(WeightSource source) {
    return DiffusersWeights.autoencoder(
        part(source, "first_stage_model.", "model.diffusion_model."));
  }

  /** Whether a file of Stability AI holds the autoencoder too. */
  static boolean holdsAutoencoder(WeightSource source) {
    return source.names().contains("first_stage_model.decoder.conv_in.weight");
  }

  /** One part of a file; what belongs to no known part keeps its name, so that it is refused. */
  private static WeightSource part(WeightSource source, String wanted, String other) {
    return source.renamed(
        name ->
            name.startsWith(wanted)
                ? name.substring(wanted.length())
                : name.startsWith(other) || name.startsWith("text_encoders.") ? null : name);
  }

  /**
   * Reads the sizes from the weights' shapes.
   *
   * @param weights in Stability AI's keys
   * @param config the transformer's {@code config.json}, for the width of a head where no norm
   *     tells it; may be missing
   */
  static Sd3Architecture of(WeightSource weights, JsonNode config) {
    String image = "x_embedder.proj.weight";
    if (!weights.names().contains(image)) {
      throw EspalierException.config(
          "The weights " + weights.location() + " lack the key " + image + ".",
          "Maybe they are not of a transformer of Stable Diffusion 3.");
    }
    int width = weights.info(image).size(0);
    String norm = "joint_blocks.0.x_block.attn.ln_q.weight";
    boolean normed = weights.names().contains(norm);
    int head = normed ? weights.info(norm).size(0) : config.path("attention_head_dim").asInt(64);
    int positions = weights.info("pos_embed").size(1);
    int side = (int) Math.round(Math.sqrt(positions));
    if (width % head != 0 || side * side != positions) {
      throw EspalierException.config(
          "The weights %s have heads of width %d in a model of %d, and %d positions."
              .formatted(weights.location(), head, width, positions),
          "Maybe they are not of a transformer of Stable Diffusion 3.");
    }
    int layers = FluxArchitecture.count(weights, "joint_blocks.%d.x_block.attn.proj.weight");
    return new Sd3Architecture(
        weights.info(image).size(1),
        weights.info("context_embedder.weight").size(1),
        weights.info("y_embedder.mlp.0.weight").size(1),
        width,
        weights.info("joint_blocks.0.x_block.mlp.fc1.weight").size(0),
        width / head,
        layers,
        firstLayers(layers).stream()
            .filter(
                i -> weights.names().contains("joint_blocks." + i + ".x_block.attn2.proj.weight"))
            .toList(),
        normed,
        side);
  }

  @Override
  public TorchProgram.Builder program() {
    return TorchProgram.builder("Sd3")
        .text(Sd3Architecture.class, "blocks.py")
        .text(Sd3Architecture.class, "sd3.py")
        .attribute("heads", heads)
        .attribute("layers", layers)
        .attribute("positions_side", positionsSide);
  }

  @Override
  public long[] latentShape(int rows, int columns) {
    return new long[] {latentChannels, (long) PATCH * rows, (long) PATCH * columns};
  }

  @Override
  public WeightSpec spec() {
    WeightSpec.Builder spec =
        WeightSpec.builder()
            .conv2d("x_embedder.proj", width, latentChannels, PATCH)
            .key("pos_embed", 1, (long) positionsSide * positionsSide, width)
            .linear("t_embedder.mlp.0", width, SINUSOID)
            .linear("t_embedder.mlp.2", width, width)
            .linear("y_embedder.mlp.0", width, pooledWidth)
            .linear("y_embedder.mlp.2", width, width)
            .linear("context_embedder", width, textWidth);
    for (int i = 0; i < layers; i++) {
      boolean last = i == layers - 1;
      String image = "joint_blocks." + i + ".x_block";
      String text = "joint_blocks." + i + ".context_block";
      spec.linear(image + ".adaLN_modulation.1", (dualLayers.contains(i) ? 9L : 6L) * width, width);
      spec.linear(text + ".adaLN_modulation.1", (last ? 2L : 6L) * width, width);
      attention(spec, image + ".attn", true);
      attention(spec, text + ".attn", !last);
      if (dualLayers.contains(i)) {
        attention(spec, image + ".attn2", true);
      }
      dense(spec, image);
      if (!last) {
        dense(spec, text);
      }
    }
    return spec.linear("final_layer.adaLN_modulation.1", 2L * width, width)
        .linear("final_layer.linear", (long) PATCH * PATCH * latentChannels, width)
        .build();
  }

  private void attention(WeightSpec.Builder spec, String p, boolean answers) {
    spec.linear(p + ".qkv", 3L * width, width);
    if (normedQueries) {
      spec.key(p + ".ln_q.weight", width / heads).key(p + ".ln_k.weight", width / heads);
    }
    if (answers) {
      spec.linear(p + ".proj", width, width);
    }
  }

  private void dense(WeightSpec.Builder spec, String p) {
    spec.linear(p + ".mlp.fc1", mlpWidth, width).linear(p + ".mlp.fc2", width, mlpWidth);
  }

  @Override
  public long flops(int rows, int columns, int textTokens) {
    long image = (long) rows * columns;
    long tokens = image + textTokens;
    long patch = (long) PATCH * PATCH * latentChannels;
    // Of the last block the text has neither an answer nor a feed-forward part.
    long answered = layers * tokens - textTokens;
    return Flops.linear(image, patch, width)
        + Flops.linear(textTokens, textWidth, width)
        + Flops.linear(1, SINUSOID, width)
        + Flops.linear(1, pooledWidth, width)
        + 2 * Flops.linear(1, width, width)
        + Flops.linear(1, width, (12L * layers - 4 + 3L * dualLayers.size()) * width)
        + Flops.linear(layers * tokens, width, 3L * width)
        + Flops.linear(answered, width, width)
        + 2 * Flops.linear(answered, width, mlpWidth)
        + layers * Flops.attention(heads, tokens, tokens, width / heads)
        + dualLayers.size()
            * (Flops.linear(image, width, 4L * width)
                + Flops.attention(heads, image, image, width / heads))
        + Flops.linear(1, width, 2L * width)
        + Flops.linear(image, width, patch);
  }

  /**
   * Counted are, for each token, both residual streams before and behind the attention, and the
   * larger of two: projections, queries and keys of both attentions in the program's type with
   * their float32 copies, or the feed-forward part; and in float32 text, latent and velocity.
   */
  @Override
  public long bytes(int rows, int columns, int textTokens, DType dtype) {
    long attention = dtype.bytes() * 10L * width + DType.F32.bytes() * 4L * width;
    long dense = dtype.bytes() * 2L * mlpWidth;
    long ends =
        (long) textTokens * textWidth + 2L * rows * columns * PATCH * PATCH * latentChannels;
    return tokens(rows, columns, textTokens)
            * (dtype.bytes() * 3L * width + Math.max(attention, dense))
        + DType.F32.bytes() * ends;
  }
}
