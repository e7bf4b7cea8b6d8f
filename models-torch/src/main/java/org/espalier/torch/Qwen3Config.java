package org.espalier.torch;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.List;
import org.espalier.api.EspalierException;
import org.espalier.weights.ModelJson;

/**
 * The architecture of a Qwen3 decoder, with the names of Hugging Face's {@code config.json}.
 *
 * @param vocabSize tokens known
 * @param hiddenSize width
 * @param intermediateSize width of the feed-forward layer
 * @param numHiddenLayers layers
 * @param numAttentionHeads heads
 * @param numKeyValueHeads heads of keys and values, a divisor of the heads
 * @param headDim width of one head, even; in general not the width divided by the heads
 * @param rmsNormEps added to mean squares
 * @param ropeTheta base of the rotary embedding
 * @param attentionBias whether projections of the attention have biases
 */
public record Qwen3Config(
    int vocabSize,
    int hiddenSize,
    int intermediateSize,
    int numHiddenLayers,
    int numAttentionHeads,
    int numKeyValueHeads,
    int headDim,
    double rmsNormEps,
    double ropeTheta,
    boolean attentionBias) {

  /** Qwen3-4B, the text encoder of FLUX.2-klein-4B and of Z-Image. */
  public static final Qwen3Config QWEN3_4B =
      new Qwen3Config(151936, 2560, 9728, 36, 32, 8, 128, 1e-6, 1e6, false);

  /** Qwen3-8B, the text encoder of FLUX.2-klein-9B. */
  public static final Qwen3Config QWEN3_8B =
      new Qwen3Config(151936, 4096, 12288, 36, 32, 8, 128, 1e-6, 1e6, false);

  public Qwen3Config {
    for (int size :
        new int[] {
          vocabSize,
          hiddenSize,
          intermediateSize,
          numHiddenLayers,
          numAttentionHeads,
          numKeyValueHeads,
          headDim
        }) {
      if (size <= 0) {
        throw EspalierException.config(
            "A size (" + size + ") of a Qwen3 configuration must be positive.",
            "Maybe its config.json is not one of a Qwen3 model.");
      }
    }
    if (numAttentionHeads % numKeyValueHeads != 0 || headDim % 2 != 0) {
      throw EspalierException.config(
          "The heads (%d of width %d) of a Qwen3 configuration do not fit its key-value heads (%d)."
              .formatted(numAttentionHeads, headDim, numKeyValueHeads),
          "Maybe its config.json is damaged.");
    }
  }

  /**
   * Reads a {@code config.json}.
   *
   * @param file the file
   * @throws EspalierException CONFIG where it is missing, malformed, lacks a field or is of another
   *     kind of model
   */
  public static Qwen3Config read(Path file) {
    return of(ModelJson.require(file), file.toString());
  }

  /**
   * Reads a configuration that has been parsed.
   *
   * @param json its fields
   * @param where it comes from, for messages
   */
  public static Qwen3Config of(JsonNode json, String where) {
    String kind = json.path("model_type").asText("qwen3");
    if (!kind.equals("qwen3")) {
      throw EspalierException.config(
          "The configuration " + where + " is of a " + kind + ", not of a Qwen3.",
          "Maybe the text encoder belongs to another model.");
    }
    for (String unsupported : new String[] {"rope_scaling", "sliding_window"}) {
      if (json.hasNonNull(unsupported) && json.path("use_" + unsupported).asBoolean(true)) {
        throw EspalierException.config(
            "The Qwen3 configuration %s has %s (%s), which is not supported."
                .formatted(where, unsupported, json.get(unsupported)),
            "Maybe use the published Qwen3-4B or Qwen3-8B.");
      }
    }
    int width = size(json, "hidden_size", where);
    int heads = size(json, "num_attention_heads", where);
    // Newer files keep the base inside rope_parameters.
    double theta = json.path("rope_parameters").path("rope_theta").asDouble(1e6);
    return new Qwen3Config(
        size(json, "vocab_size", where),
        width,
        size(json, "intermediate_size", where),
        size(json, "num_hidden_layers", where),
        heads,
        json.path("num_key_value_heads").asInt(heads),
        json.path("head_dim").asInt(128),
        json.path("rms_norm_eps").asDouble(1e-6),
        json.path("rope_theta").asDouble(theta),
        json.path("attention_bias").asBoolean(false));
  }

  private static int size(JsonNode json, String field, String where) {
    if (!json.path(field).isInt()) {
      throw EspalierException.config(
          "The Qwen3 configuration " + where + " has no number " + field + ".",
          "Maybe it is not one of a Qwen3 model.");
    }
    return json.path(field).asInt();
  }

  /**
   * The weights that the states after some layers need, in the layout of Hugging Face's {@code
   * Qwen3Model}; later layers stay unread.
   *
   * @param taken numbers of layers after which states are taken, 0 for the embeddings
   */
  public WeightSpec weights(List<Integer> taken) {
    int layers = layers(taken);
    WeightSpec.Builder spec =
        WeightSpec.builder().key("embed_tokens.weight", vocabSize, hiddenSize);
    for (int i = 0; i < layers; i++) {
      String p = "layers." + i + ".";
      String attention = p + "self_attn.";
      long queries = (long) numAttentionHeads * headDim;
      long keys = (long) numKeyValueHeads * headDim;
      projection(spec, attention + "q_proj", queries, hiddenSize);
      projection(spec, attention + "k_proj", keys, hiddenSize);
      projection(spec, attention + "v_proj", keys, hiddenSize);
      projection(spec, attention + "o_proj", hiddenSize, queries);
      spec.key(attention + "q_norm.weight", headDim)
          .key(attention + "k_norm.weight", headDim)
          .key(p + "input_layernorm.weight", hiddenSize)
          .key(p + "post_attention_layernorm.weight", hiddenSize)
          .key(p + "mlp.gate_proj.weight", intermediateSize, hiddenSize)
          .key(p + "mlp.up_proj.weight", intermediateSize, hiddenSize)
          .key(p + "mlp.down_proj.weight", hiddenSize, intermediateSize);
    }
    for (int i = layers; i < numHiddenLayers; i++) {
      spec.ignore("layers\\." + i + "\\..*");
    }
    if (layers == numHiddenLayers) {
      spec.key("norm.weight", hiddenSize);
    } else {
      spec.ignore("norm\\.weight");
    }
    return spec.ignore("lm_head\\.weight", "layers\\.\\d+\\.self_attn\\.rotary_emb\\.inv_freq")
        .build();
  }

  private void projection(WeightSpec.Builder spec, String prefix, long out, long in) {
    if (attentionBias) {
      spec.linear(prefix, out, in);
    } else {
      spec.key(prefix + ".weight", out, in);
    }
  }

  /** How many layers are needed for the states after some of them. */
  int layers(List<Integer> taken) {
    int last = -1;
    for (int layer : taken) {
      if (layer <= last || layer > numHiddenLayers) {
        throw EspalierException.config(
            "States after the layers %s were asked for of a Qwen3 of %d layers."
                .formatted(taken, numHiddenLayers),
            "Maybe the text encoder belongs to another model.");
      }
      last = layer;
    }
    return last;
  }

  /**
   * Floating-point operations of encoding one text.
   *
   * @param tokens of the text, padding included
   * @param taken numbers of layers after which states are taken
   */
  public long flops(int tokens, List<Integer> taken) {
    long queries = (long) numAttentionHeads * headDim;
    long keys = (long) numKeyValueHeads * headDim;
    long layer =
        Flops.linear(tokens, hiddenSize, queries + 2 * keys)
            + Flops.attention(numAttentionHeads, tokens, tokens, headDim)
            + Flops.linear(tokens, queries, hiddenSize)
            + 3 * Flops.linear(tokens, hiddenSize, intermediateSize);
    return layers(taken) * layer;
  }
}
