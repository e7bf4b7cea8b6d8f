package org.espalier.torch;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import org.espalier.api.EspalierException;
import org.espalier.weights.ModelJson;
import org.jspecify.annotations.Nullable;

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

  /** The file, by its own names. */
  private record Json(
      int vocabSize,
      int dModel,
      int dKv,
      int dFf,
      int numLayers,
      int numHeads,
      @Nullable Integer relativeAttentionNumBuckets,
      @Nullable Integer relativeAttentionMaxDistance,
      @Nullable Double layerNormEpsilon,
      @Nullable String feedForwardProj,
      @Nullable String denseActFn,
      @Nullable Long padTokenId) {

    T5Config config() {
      String feedForward = feedForwardProj == null ? "relu" : feedForwardProj;
      String activation =
          denseActFn == null ? feedForward.substring(feedForward.indexOf('-') + 1) : denseActFn;
      if (feedForward.equals("gated-gelu")) {
        activation = "gelu_new"; // the published exception
      }
      return new T5Config(
          vocabSize,
          dModel,
          dKv,
          dFf,
          numLayers,
          numHeads,
          relativeAttentionNumBuckets == null ? 32 : relativeAttentionNumBuckets,
          relativeAttentionMaxDistance == null ? 128 : relativeAttentionMaxDistance,
          layerNormEpsilon == null ? 1e-6 : layerNormEpsilon,
          feedForward.startsWith("gated-"),
          activation,
          padTokenId == null ? 0 : padTokenId);
    }
  }

  /**
   * Reads a {@code config.json}.
   *
   * @param file the file
   * @throws EspalierException CONFIG where it is missing, malformed or lacks a field
   */
  public static T5Config read(Path file) {
    return ModelJson.read(file, Json.class).config();
  }

  /**
   * Reads a configuration that has been parsed.
   *
   * @param json its fields
   * @param where it comes from, for messages
   */
  public static T5Config of(JsonNode json, String where) {
    return ModelJson.bind(json, Json.class, where).config();
  }

  /** The weights of such an encoder in the layout of Hugging Face's {@code T5EncoderModel}. */
  public WeightSpec weights() {
    long inner = (long) numHeads * dKv;
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
