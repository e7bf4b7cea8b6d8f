package org.espalier.torch;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.espalier.api.EspalierException;

/**
 * The architecture of a T5 encoder, with the names of Hugging Face's {@code config.json}.
 *
 * @param vocabSize tokens known
 * @param dModel width
 * @param dKv width of one head
 * @param dFf width of the feed-forward layer
 * @param numLayers blocks
 * @param numHeads heads
 * @param relativeAttentionNumBuckets buckets of distances between tokens
 * @param relativeAttentionMaxDistance distance from which all share a bucket
 * @param layerNormEpsilon added to mean squares
 * @param gated whether the feed-forward layer is gated (T5 1.1)
 * @param activation {@code relu}, {@code gelu_new}, {@code gelu} or {@code silu}
 * @param padTokenId number of the padding token
 */
public record T5Config(
    int vocabSize,
    int dModel,
    int dKv,
    int dFf,
    int numLayers,
    int numHeads,
    int relativeAttentionNumBuckets,
    int relativeAttentionMaxDistance,
    double layerNormEpsilon,
    boolean gated,
    String activation,
    long padTokenId) {
  public T5Config {
    int[] sizes = {
      vocabSize,
      dModel,
      dKv,
      dFf,
      numLayers,
      numHeads,
      relativeAttentionNumBuckets,
      relativeAttentionMaxDistance
    };
    for (int size : sizes) {
      if (size <= 0) {
        throw EspalierException.config(
            "A size (" + size + ") of a T5 configuration must be positive.",
            "Maybe its config.json is not one of a T5 encoder.");
      }
    }
    if (!activation.matches("relu|gelu_new|gelu|silu")) {
      throw EspalierException.config(
          "The activation (" + activation + ") of a T5 configuration is not supported.",
          "Maybe use relu, gelu_new, gelu or silu.");
    }
  }

  /**
   * Reads a {@code config.json}.
   *
   * @param file the file
   * @throws EspalierException CONFIG where it is missing, malformed or lacks a field
   */
  public static T5Config read(Path file) {
    if (!Files.isRegularFile(file)) {
      throw EspalierException.config(
          "The configuration (" + file + ") does not exist.",
          "Maybe the download of the text encoder is not complete.");
    }
    try {
      return of(new ObjectMapper().readTree(file.toFile()), file.toString());
    } catch (IOException e) {
      throw new EspalierException(
          EspalierException.Code.CONFIG,
          "The configuration " + file + " is no JSON: " + e.getMessage() + ".",
          "Maybe download it again.",
          e);
    }
  }

  /**
   * Reads a configuration that has been parsed.
   *
   * @param json its fields
   * @param where it comes from, for messages
   */
  public static T5Config of(JsonNode json, String where) {
    String feedForward = json.path("feed_forward_proj").asText("relu");
    String activation =
        json.path("dense_act_fn").asText(feedForward.substring(feedForward.indexOf('-') + 1));
    if (feedForward.equals("gated-gelu")) {
      activation = "gelu_new"; // the published exception
    }
    return new T5Config(
        size(json, "vocab_size", where),
        size(json, "d_model", where),
        size(json, "d_kv", where),
        size(json, "d_ff", where),
        size(json, "num_layers", where),
        size(json, "num_heads", where),
        json.path("relative_attention_num_buckets").asInt(32),
        json.path("relative_attention_max_distance").asInt(128),
        json.path("layer_norm_epsilon").asDouble(1e-6),
        feedForward.startsWith("gated-"),
        activation,
        json.path("pad_token_id").asLong(0));
  }

  private static int size(JsonNode json, String field, String where) {
    if (!json.path(field).isInt()) {
      throw EspalierException.config(
          "The T5 configuration " + where + " has no number " + field + ".",
          "Maybe it is not one of a T5 encoder.");
    }
    return json.path(field).asInt();
  }

  /** The weights of such an encoder in the layout of Hugging Face's {@code T5EncoderModel}. */
  public WeightSpec weights() {
    int inner = numHeads * dKv;
    WeightSpec.Builder spec = WeightSpec.builder().key("shared.weight", vocabSize, dModel);
    for (int i = 0; i < numLayers; i++) {
      String block = "encoder.block." + i + ".layer.";
      String attention = block + "0.SelfAttention.";
      for (String projection : new String[] {"q", "k", "v"}) {
        spec.key(attention + projection + ".weight", inner, dModel);
      }
      spec.key(attention + "o.weight", dModel, inner);
      if (i == 0) {
        spec.key(
            attention + "relative_attention_bias.weight", relativeAttentionNumBuckets, numHeads);
      }
      spec.key(block + "0.layer_norm.weight", dModel);
      String dense = block + "1.DenseReluDense.";
      if (gated) {
        spec.key(dense + "wi_0.weight", dFf, dModel).key(dense + "wi_1.weight", dFf, dModel);
      } else {
        spec.key(dense + "wi.weight", dFf, dModel);
      }
      spec.key(dense + "wo.weight", dModel, dFf).key(block + "1.layer_norm.weight", dModel);
    }
    return spec.key("encoder.final_layer_norm.weight", dModel)
        // The embedding under its other name, and the halves of whole T5 checkpoints unused here.
        .ignore("encoder\\.embed_tokens\\.weight", "decoder\\..*", "lm_head\\.weight")
        .build();
  }

  /**
   * Floating-point operations of encoding one text.
   *
   * @param tokens of the text, padding included
   */
  public long flops(int tokens) {
    long inner = (long) numHeads * dKv;
    long block =
        3 * Flops.linear(tokens, dModel, inner)
            + Flops.attention(numHeads, tokens, tokens, dKv)
            + Flops.linear(tokens, inner, dModel)
            + (gated ? 2 : 1) * Flops.linear(tokens, dModel, dFf)
            + Flops.linear(tokens, dFf, dModel);
    return numLayers * block;
  }
}
