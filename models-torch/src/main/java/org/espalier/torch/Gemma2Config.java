package org.espalier.torch;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import org.espalier.api.EspalierException;
import org.espalier.weights.ModelJson;

/**
 * The architecture of a Gemma 2 decoder, with the names of Hugging Face's {@code config.json}.
 *
 * @param vocabSize tokens known
 * @param hiddenSize width
 * @param intermediateSize width of the feed-forward layer
 * @param numHiddenLayers layers
 * @param numAttentionHeads heads
 * @param numKeyValueHeads heads of keys and values, a divisor of the heads
 * @param headDim width of one head, even
 * @param rmsNormEps added to mean squares
 * @param ropeTheta base of the rotary embedding
 * @param queryPreAttnScalar of which scores are divided by the root
 * @param attnLogitSoftcapping towards which scores are bent; 0 for none
 * @param slidingWindow tokens that every other layer sees at the most; longer texts are refused
 */
public record Gemma2Config(
    int vocabSize,
    int hiddenSize,
    int intermediateSize,
    int numHiddenLayers,
    int numAttentionHeads,
    int numKeyValueHeads,
    int headDim,
    double rmsNormEps,
    double ropeTheta,
    double queryPreAttnScalar,
    double attnLogitSoftcapping,
    int slidingWindow) {
  public Gemma2Config {
    for (int size :
        new int[] {
          vocabSize,
          hiddenSize,
          intermediateSize,
          numHiddenLayers,
          numAttentionHeads,
          numKeyValueHeads,
          headDim,
          slidingWindow
        }) {
      if (size <= 0) {
        throw EspalierException.config(
            "A size (" + size + ") of a Gemma 2 configuration must be positive.",
            "Maybe its config.json is not one of a Gemma 2 model.");
      }
    }
    if (numAttentionHeads % numKeyValueHeads != 0 || headDim % 2 != 0) {
      throw EspalierException.config(
          "The heads (%d of width %d) of a Gemma 2 configuration do not fit its key-value heads (%d)."
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
  public static Gemma2Config read(Path file) {
    return of(ModelJson.require(file), file.toString());
  }

  /**
   * Reads a configuration that has been parsed.
   *
   * @param json its fields
   * @param where it comes from, for messages
   */
  public static Gemma2Config of(JsonNode json, String where) {
    String kind = json.path("model_type").asText("gemma2");
    if (!kind.equals("gemma2")) {
      throw EspalierException.config(
          "The configuration " + where + " is of a " + kind + ", not of a Gemma 2.",
          "Maybe the text encoder belongs to another model.");
    }
    double theta = json.path("rope_parameters").path("rope_theta").asDouble(10000);
    return new Gemma2Config(
        json.path("vocab_size").asInt(256000),
        json.path("hidden_size").asInt(2304),
        json.path("intermediate_size").asInt(9216),
        json.path("num_hidden_layers").asInt(26),
        json.path("num_attention_heads").asInt(8),
        json.path("num_key_value_heads").asInt(4),
        json.path("head_dim").asInt(256),
        json.path("rms_norm_eps").asDouble(1e-6),
        json.path("rope_theta").asDouble(theta),
        json.path("query_pre_attn_scalar").asDouble(256),
        json.path("attn_logit_softcapping").asDouble(json.has("attn_logit_softcapping") ? 0 : 50),
        json.path("sliding_window").asInt(4096));
  }

  /** The weights of such a model in the layout of Hugging Face's {@code Gemma2Model}. */
  public WeightSpec weights() {
    WeightSpec.Builder spec =
        WeightSpec.builder().key("embed_tokens.weight", vocabSize, hiddenSize);
    long queries = (long) numAttentionHeads * headDim;
    long keys = (long) numKeyValueHeads * headDim;
    for (int i = 0; i < numHiddenLayers; i++) {
      String p = "layers." + i + ".";
      spec.key(p + "self_attn.q_proj.weight", queries, hiddenSize)
          .key(p + "self_attn.k_proj.weight", keys, hiddenSize)
          .key(p + "self_attn.v_proj.weight", keys, hiddenSize)
          .key(p + "self_attn.o_proj.weight", hiddenSize, queries)
          .key(p + "mlp.gate_proj.weight", intermediateSize, hiddenSize)
          .key(p + "mlp.up_proj.weight", intermediateSize, hiddenSize)
          .key(p + "mlp.down_proj.weight", hiddenSize, intermediateSize);
      for (String norm :
          new String[] {
            "input_layernorm",
            "post_attention_layernorm",
            "pre_feedforward_layernorm",
            "post_feedforward_layernorm"
          }) {
        spec.key(p + norm + ".weight", hiddenSize);
      }
    }
    return spec.key("norm.weight", hiddenSize).ignore("lm_head\\.weight").build();
  }

  /**
   * Floating-point operations of encoding one text.
   *
   * @param tokens of the text
   */
  public long flops(int tokens) {
    long queries = (long) numAttentionHeads * headDim;
    long keys = (long) numKeyValueHeads * headDim;
    long layer =
        Flops.linear(tokens, hiddenSize, queries + 2 * keys)
            + Flops.attention(numAttentionHeads, tokens, tokens, headDim)
            + Flops.linear(tokens, queries, hiddenSize)
            + 3 * Flops.linear(tokens, hiddenSize, intermediateSize);
    return numHiddenLayers * layer;
  }
}
