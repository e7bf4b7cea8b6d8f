package org.espalier.verifiers;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.espalier.api.EspalierException;
import org.espalier.torch.Flops;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;
import org.espalier.weights.ModelJson;

/**
 * The decoder of a judge that reads image and text in one sequence: Qwen2's or Qwen3's, under the
 * keys {@code model.language_model.*}. What the two differ in, biases and norms of queries and
 * keys, shows in the keys.
 *
 * @param width channels of a token
 * @param layers how many
 * @param heads of queries
 * @param kvHeads of keys and values
 * @param headDim channels of a head
 * @param hidden channels inside the feed-forward part
 * @param eps of the norms
 * @param theta of the rotary position embedding
 * @param vocabulary number of tokens
 * @param positions the longest sequence
 */
record Decoder(
    int width,
    int layers,
    int heads,
    int kvHeads,
    int headDim,
    int hidden,
    double eps,
    double theta,
    int vocabulary,
    int positions) {

  static final String KEYS = "model.language_model.";

  Decoder {
    if (kvHeads < 1 || heads % kvHeads != 0 || headDim % 2 != 0) {
      throw EspalierException.config(
          "The decoder's %d heads of %d channels do not go with %d key-value heads."
              .formatted(heads, headDim, kvHeads),
          "Maybe config.json belongs to another checkpoint.");
    }
  }

  /**
   * Reads the sizes.
   *
   * @param config the text section of {@code config.json}; what is missing is read off the weights
   * @param source the weights
   * @param model for messages
   */
  static Decoder of(JsonNode config, WeightSource source, String model) {
    require(model, "hidden_act", config.path("hidden_act").asText("silu"), "silu");
    require(
        model, "use_sliding_window", config.path("use_sliding_window").asText("false"), "false");
    String words = KEYS + "embed_tokens.weight";
    int width = ModelJson.positive(config, "hidden_size", Checkpoint.size(source, words, 1, model));
    int heads = ModelJson.positive(config, "num_attention_heads", Math.max(1, width / 64));
    JsonNode rope = config.path("rope_parameters");
    return new Decoder(
        width,
        ModelJson.positive(
            config, "num_hidden_layers", Checkpoint.layers(source, KEYS + "layers.")),
        heads,
        ModelJson.positive(config, "num_key_value_heads", heads),
        ModelJson.positive(config, "head_dim", width / heads),
        ModelJson.positive(
            config,
            "intermediate_size",
            Checkpoint.size(source, KEYS + "layers.0.mlp.up_proj.weight", 0, model)),
        config.path("rms_norm_eps").asDouble(1e-6),
        rope.path("rope_theta").asDouble(config.path("rope_theta").asDouble(10000)),
        ModelJson.positive(config, "vocab_size", Checkpoint.size(source, words, 0, model)),
        ModelJson.positive(config, "max_position_embeddings", 32768));
  }

  /** The configuration's section on rotary positions, under its newer or older name. */
  static JsonNode rope(JsonNode config) {
    return config.hasNonNull("rope_scaling")
        ? config.get("rope_scaling")
        : config.path("rope_parameters");
  }

  /**
   * Refuses what the program does not do.
   *
   * @param model for the message
   * @param name of the setting
   * @param value it has
   * @param supported values
   */
  static void require(String model, String name, String value, String... supported) {
    if (!List.of(supported).contains(value)) {
      throw EspalierException.config(
          "The " + name + " (" + value + ") of " + model + " is not supported.",
          "Maybe use a checkpoint with " + String.join(" or ", supported) + ".");
    }
  }

  /**
   * Expects the decoder's keys.
   *
   * @param spec to add to
   * @param source the weights; without an output layer the embedding is one
   */
  void expect(WeightSpec.Builder spec, WeightSource source) {
    spec.key(KEYS + "embed_tokens.weight", vocabulary, width).key(KEYS + "norm.weight", width);
    long queries = (long) heads * headDim;
    long keys = (long) kvHeads * headDim;
    for (int i = 0; i < layers; i++) {
      String p = KEYS + "layers." + i + ".";
      spec.key(p + "input_layernorm.weight", width)
          .key(p + "post_attention_layernorm.weight", width);
      for (String norm : List.of("q_norm", "k_norm")) {
        if (source.names().contains(p + "self_attn." + norm + ".weight")) {
          spec.key(p + "self_attn." + norm + ".weight", headDim);
        }
      }
      Checkpoint.dense(spec, source, p + "self_attn.q_proj", queries, width);
      Checkpoint.dense(spec, source, p + "self_attn.k_proj", keys, width);
      Checkpoint.dense(spec, source, p + "self_attn.v_proj", keys, width);
      Checkpoint.dense(spec, source, p + "self_attn.o_proj", width, queries);
      Checkpoint.dense(spec, source, p + "mlp.gate_proj", hidden, width);
      Checkpoint.dense(spec, source, p + "mlp.up_proj", hidden, width);
      Checkpoint.dense(spec, source, p + "mlp.down_proj", width, hidden);
    }
    if (source.names().contains("lm_head.weight")) {
      spec.key("lm_head.weight", vocabulary, width);
    }
    spec.ignore(".*\\.rotary_emb\\.inv_freq");
  }

  /**
   * Refuses a checkpoint without an output layer whose configuration does not say that the
   * embedding is one.
   */
  void requireOutput(WeightSource source, boolean tied) {
    if (!tied && !source.names().contains("lm_head.weight")) {
      throw EspalierException.config(
          "The weights " + source.location() + " lack the key lm_head.weight.",
          "Maybe the download is not complete.");
    }
  }

  /** Adds the attributes that programs read. */
  void attributes(TorchProgram.Builder program) {
    program
        .attribute("layers", layers)
        .attribute("heads", heads)
        .attribute("kv_heads", kvHeads)
        .attribute("head_dim", headDim)
        .attribute("eps", eps)
        .attribute("theta", theta);
  }

  /**
   * Operations over new tokens, with logits for the last of them.
   *
   * @param tokens new
   * @param past tokens whose keys and values are held
   */
  long flops(long tokens, long past) {
    long queries = (long) heads * headDim;
    long keys = (long) kvHeads * headDim;
    return layers
            * (2 * Flops.linear(tokens, width, queries)
                + 2 * Flops.linear(tokens, width, keys)
                + Flops.attention(heads, tokens, past + tokens, headDim)
                + 3 * Flops.linear(tokens, width, hidden))
        + Flops.linear(1, width, vocabulary);
  }
}
