package org.espalier.models.var;

import static org.espalier.models.var.WeightShapes.size;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.espalier.api.EspalierException;
import org.espalier.torch.Flops;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;

/**
 * The sizes of a Janus model as far as it generates images, with the names of Hugging Face's {@code
 * config.json} where these are clear.
 *
 * @param vocabSize tokens of text
 * @param hiddenSize width of the residual stream
 * @param intermediateSize width of the feed-forward layers
 * @param layers of the decoder
 * @param heads of self-attention
 * @param keyValueHeads heads of keys and values, a divisor of the heads
 * @param headWidth width of one head, even
 * @param rmsNormEps added to mean squares
 * @param ropeTheta base of the rotary embedding
 * @param attentionBias whether projections of the attention have biases
 * @param mlpBias whether feed-forward layers have biases
 * @param maxPositions tokens of text and image at most
 * @param codes vectors of the codebook
 * @param codeWidth width of a vector's embedding
 * @param alignerLayers layers after the first between a vector's embedding and the decoder
 * @param headHidden width between the decoder and the logits
 * @param side of the raster in tokens
 * @param activation between the layers of aligner and head
 */
record JanusArchitecture(
    int vocabSize,
    int hiddenSize,
    int intermediateSize,
    int layers,
    int heads,
    int keyValueHeads,
    int headWidth,
    double rmsNormEps,
    double ropeTheta,
    boolean attentionBias,
    boolean mlpBias,
    int maxPositions,
    int codes,
    int codeWidth,
    int alignerLayers,
    int headHidden,
    int side,
    String activation) {
  private static final List<String> ACTIVATIONS =
      List.of("gelu", "gelu_pytorch_tanh", "gelu_new", "silu", "relu");
  private static final String LAYERS = "model.language_model.layers.";
  private static final String EMBEDDING = "model.language_model.embed_tokens.weight";
  private static final String VECTORS = "model.generation_embeddings.weight";

  /** DeepSeek's names and those of transformers' port; the first that matches. */
  private static final List<Renaming> DEEPSEEK =
      List.of(
          new Renaming("language_model\\.lm_head\\.(.*)", "lm_head.$1"),
          new Renaming("language_model\\.model\\.(.*)", "model.language_model.$1"),
          new Renaming("gen_embed\\.(.*)", "model.generation_embeddings.$1"),
          new Renaming("gen_aligner\\.layers\\.0\\.(.*)", "model.generation_aligner.fc1.$1"),
          new Renaming(
              "gen_head\\.output_mlp_projector\\.(.*)", "model.generation_head.proj_out.$1"),
          new Renaming("gen_head\\.(.*)", "model.generation_head.$1"),
          new Renaming(
              "gen_vision_model\\.decoder\\.conv_blocks\\.(\\d+)\\.res\\.(.*)",
              "model.vqmodel.decoder.up.$1.block.$2"),
          new Renaming(
              "gen_vision_model\\.decoder\\.conv_blocks\\.(.*)", "model.vqmodel.decoder.up.$1"),
          new Renaming(
              "gen_vision_model\\.decoder\\.mid\\.0\\.(.*)",
              "model.vqmodel.decoder.mid.block_1.$1"),
          new Renaming(
              "gen_vision_model\\.decoder\\.mid\\.1\\.(.*)", "model.vqmodel.decoder.mid.attn_1.$1"),
          new Renaming(
              "gen_vision_model\\.decoder\\.mid\\.2\\.(.*)",
              "model.vqmodel.decoder.mid.block_2.$1"),
          new Renaming("gen_vision_model\\.(.*)", "model.vqmodel.$1"));

  private static final Pattern ALIGNER = Pattern.compile("gen_aligner\\.layers\\.(\\d+)\\.(.*)");

  private record Renaming(Pattern from, String to) {
    Renaming(String from, String to) {
      this(Pattern.compile(from), to);
    }
  }

  JanusArchitecture {
    for (int size :
        new int[] {
          vocabSize,
          hiddenSize,
          intermediateSize,
          layers,
          heads,
          keyValueHeads,
          headWidth,
          maxPositions,
          codes,
          codeWidth,
          headHidden,
          side
        }) {
      if (size <= 0) {
        throw EspalierException.config(
            "A size (" + size + ") of a Janus configuration must be positive.",
            "Maybe its config.json is not one of a Janus model.");
      }
    }
    if (heads % keyValueHeads != 0 || headWidth % 2 != 0) {
      throw EspalierException.config(
          "The heads (%d of width %d) of a Janus configuration do not fit its key-value heads (%d)."
              .formatted(heads, headWidth, keyValueHeads),
          "Maybe its config.json is damaged.");
    }
  }

  /**
   * The sizes of a published model.
   *
   * @param name {@code 1b} or {@code 7b}
   * @throws EspalierException CONFIG for another one
   */
  static JanusArchitecture published(String name) {
    return switch (name) {
      case "1b" -> published(2048, 5632, 24, 16);
      case "7b" -> published(4096, 11008, 30, 32);
      default ->
          throw EspalierException.config(
              "The size (" + name + ") of Janus-Pro is not a published one.",
              "Maybe use random:1b or random:7b.");
    };
  }

  private static JanusArchitecture published(int width, int hidden, int layers, int heads) {
    return new JanusArchitecture(
        102400, width, hidden, layers, heads, heads, 128, 1e-6, 1e4, false, false, 16384, 16384, 8,
        1, width, 24, "gelu");
  }

  /**
   * The weights under the names of transformers' port, whichever of the published layouts they
   * have.
   *
   * @param source a checkpoint
   * @throws EspalierException CONFIG where it is of neither layout
   */
  static WeightSource normalize(WeightSource source) {
    if (source.names().contains(EMBEDDING)) {
      return source;
    }
    if (source.names().contains(EMBEDDING.substring("model.".length()))) {
      return source.renamed(name -> name.startsWith("lm_head") ? name : "model." + name);
    }
    if (!source.names().contains("language_model.model.embed_tokens.weight")) {
      throw EspalierException.config(
          "The weights %s lack the key %s: they are not those of a Janus model."
              .formatted(source.location(), EMBEDDING),
          "Maybe use deepseek-community/Janus-Pro-1B or deepseek-ai/Janus-Pro-1B.");
    }
    return source.renamed(JanusArchitecture::portName);
  }

  private static String portName(String name) {
    for (Renaming renaming : DEEPSEEK) {
      Matcher matcher = renaming.from.matcher(name);
      if (matcher.matches()) {
        return matcher.replaceFirst(renaming.to);
      }
    }
    Matcher aligner = ALIGNER.matcher(name);
    if (aligner.matches()) {
      // Every second layer is an activation without weights.
      int layer = Integer.parseInt(aligner.group(1)) / 2 - 1;
      return "model.generation_aligner.hidden_layers." + layer + "." + aligner.group(2);
    }
    // What reads images, under names of its own.
    return "model." + name;
  }

  /**
   * Reads the sizes: from the shapes of the weights what they tell, the rest from the
   * configuration.
   *
   * @param json a {@code config.json} of either layout
   * @param source weights under the port's names
   * @throws EspalierException CONFIG where a size or key is missing or they do not fit together
   */
  static JanusArchitecture of(JsonNode json, WeightSource source) {
    boolean port = json.has("text_config");
    JsonNode text = json.path(port ? "text_config" : "language_config");
    JsonNode image = json.path("vq_config");
    if (!text.isObject()) {
      throw EspalierException.config(
          "The config.json beside %s has neither text_config nor language_config."
              .formatted(source.location()),
          "Maybe it is not one of a Janus model.");
    }
    for (String scaling : List.of("rope_scaling")) {
      if (text.hasNonNull(scaling)) {
        throw EspalierException.config(
            "The configuration of Janus has %s (%s), which is not supported."
                .formatted(scaling, text.get(scaling)),
            "Maybe use a published Janus-Pro.");
      }
    }
    String activation = image.path("hidden_act").asText("gelu");
    String gate = text.path("hidden_act").asText("silu");
    if (!ACTIVATIONS.contains(activation) || !gate.equals("silu")) {
      throw EspalierException.config(
          "The configuration of Janus has the activations %s and %s, which are not supported."
              .formatted(gate, activation),
          "Maybe use a published Janus-Pro.");
    }
    int width = size(source, EMBEDDING, 1, 2);
    // What a configuration leaves out is Llama's own default.
    int heads = text.path("num_attention_heads").asInt(32);
    int layers = 0;
    while (source.names().contains(LAYERS + layers + ".mlp.gate_proj.weight")) {
      layers++;
    }
    if (layers != text.path("num_hidden_layers").asInt(32)) {
      throw EspalierException.config(
          "The weights %s have %d layers; config.json says %d."
              .formatted(source.location(), layers, text.path("num_hidden_layers").asInt(32)),
          "Maybe the download is not complete, or config.json is of another model.");
    }
    int aligner = 0;
    while (source
        .names()
        .contains("model.generation_aligner.hidden_layers." + aligner + ".weight")) {
      aligner++;
    }
    return new JanusArchitecture(
        size(source, EMBEDDING, 0, 2),
        width,
        size(source, LAYERS + "0.mlp.gate_proj.weight", 0, 2),
        layers,
        heads,
        text.path("num_key_value_heads").asInt(heads),
        text.path("head_dim").asInt(width / Math.max(1, heads)),
        text.path("rms_norm_eps").asDouble(1e-6),
        text.path("rope_theta")
            .asDouble(text.path("rope_parameters").path("rope_theta").asDouble(1e4)),
        text.path("attention_bias").asBoolean(false),
        text.path("mlp_bias").asBoolean(false),
        text.path("max_position_embeddings").asInt(16384),
        size(source, VECTORS, 0, 2),
        size(source, VECTORS, 1, 2),
        aligner,
        size(source, "model.generation_head.proj_out.weight", 0, 2),
        image.path("num_patches").asInt(24),
        activation);
  }

  /** Tokens of an image. */
  int cells() {
    return side * side;
  }

  /** All weights that making images takes; those that read images or write text may be there. */
  WeightSpec weights() {
    WeightSpec.Builder spec = WeightSpec.builder().key(EMBEDDING, vocabSize, hiddenSize);
    long queries = (long) heads * headWidth;
    long keys = (long) keyValueHeads * headWidth;
    for (int i = 0; i < layers; i++) {
      String layer = LAYERS + i + ".";
      projection(spec, attentionBias, layer + "self_attn.q_proj", queries, hiddenSize);
      projection(spec, attentionBias, layer + "self_attn.k_proj", keys, hiddenSize);
      projection(spec, attentionBias, layer + "self_attn.v_proj", keys, hiddenSize);
      projection(spec, attentionBias, layer + "self_attn.o_proj", hiddenSize, queries);
      projection(spec, mlpBias, layer + "mlp.gate_proj", intermediateSize, hiddenSize);
      projection(spec, mlpBias, layer + "mlp.up_proj", intermediateSize, hiddenSize);
      projection(spec, mlpBias, layer + "mlp.down_proj", hiddenSize, intermediateSize);
      spec.key(layer + "input_layernorm.weight", hiddenSize)
          .key(layer + "post_attention_layernorm.weight", hiddenSize);
    }
    spec.key("model.language_model.norm.weight", hiddenSize)
        .key(VECTORS, codes, codeWidth)
        .linear("model.generation_aligner.fc1", hiddenSize, codeWidth);
    for (int i = 0; i < alignerLayers; i++) {
      spec.linear("model.generation_aligner.hidden_layers." + i, hiddenSize, hiddenSize);
    }
    return spec.linear("model.generation_head.proj_out", headHidden, hiddenSize)
        .linear("model.generation_head.vision_head", codes, headHidden)
        .ignore(
            "lm_head\\..*",
            "model\\.vision_model\\..*",
            "model\\.aligner\\..*",
            "model\\.vqmodel\\..*",
            ".*\\.rotary_emb\\.inv_freq")
        .build();
  }

  private static void projection(
      WeightSpec.Builder spec, boolean bias, String prefix, long out, long in) {
    if (bias) {
      spec.linear(prefix, out, in);
    } else {
      spec.key(prefix + ".weight", out, in);
    }
  }

  private long layersFlops(long tokens, long rows, long keys) {
    long queries = (long) heads * headWidth;
    long kept = (long) keyValueHeads * headWidth;
    long all = tokens * rows;
    return layers
        * (2 * Flops.linear(all, hiddenSize, queries)
            + 2 * Flops.linear(all, hiddenSize, kept)
            + 3 * Flops.linear(all, hiddenSize, intermediateSize)
            + Flops.attention(rows * heads, tokens, keys, headWidth));
  }

  private long headFlops(long rows) {
    return Flops.linear(rows, hiddenSize, headHidden) + Flops.linear(rows, headHidden, codes);
  }

  /**
   * Floating-point operations of reading a prompt, with the first token's logits.
   *
   * @param promptTokens of the prompt
   * @param rows 2 with guidance, else 1
   */
  long conditionFlops(int promptTokens, int rows) {
    return layersFlops(promptTokens, rows, promptTokens) + headFlops(rows);
  }

  /**
   * Floating-point operations of passing some tokens of one image, one after the other.
   *
   * @param promptTokens of the prompt
   * @param rows 2 with guidance, else 1
   * @param from the first one's place in the image, from 0
   * @param count how many
   * @param predicted whether the logits of what follows are computed
   */
  long tokenFlops(int promptTokens, int rows, int from, int count, boolean predicted) {
    long each =
        Flops.linear(1, codeWidth, hiddenSize)
            + alignerLayers * Flops.linear(1, hiddenSize, hiddenSize)
            + (predicted ? headFlops(rows) : 0);
    long sum = count * each;
    for (int i = from; i < from + count; i++) {
      sum += layersFlops(1, rows, (long) promptTokens + i + 1);
    }
    return sum;
  }

  /** Step sizes that divide the raster, for advice. */
  List<Integer> stepSizes() {
    List<Integer> sizes = new ArrayList<>();
    for (int size = 1; size <= cells(); size++) {
      if (cells() % size == 0) {
        sizes.add(size);
      }
    }
    return sizes;
  }
}
