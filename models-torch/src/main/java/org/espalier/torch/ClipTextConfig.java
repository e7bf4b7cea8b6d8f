package org.espalier.torch;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import org.espalier.api.EspalierException;
import org.espalier.weights.ModelJson;
import org.jspecify.annotations.Nullable;

/**
 * The architecture of CLIP's text tower, with the names of Hugging Face's {@code config.json}.
 *
 * @param vocabSize tokens known
 * @param hiddenSize width
 * @param intermediateSize width of the feed-forward layer
 * @param numHiddenLayers blocks
 * @param numAttentionHeads heads
 * @param maxPositionEmbeddings longest text in tokens, special ones included
 * @param layerNormEps added to variances
 * @param quickGelu whether the activation is {@code quick_gelu} rather than {@code gelu}
 * @param eosTokenId the token at which the pooled vector is taken; 2 marks old configurations,
 *     which take the largest token number instead
 */
public record ClipTextConfig(
    int vocabSize,
    int hiddenSize,
    int intermediateSize,
    int numHiddenLayers,
    int numAttentionHeads,
    int maxPositionEmbeddings,
    double layerNormEps,
    boolean quickGelu,
    int eosTokenId) {
  public ClipTextConfig {
    int[] sizes = {
      vocabSize,
      hiddenSize,
      intermediateSize,
      numHiddenLayers,
      numAttentionHeads,
      maxPositionEmbeddings
    };
    for (int size : sizes) {
      if (size <= 0) {
        throw EspalierException.config(
            "A size (" + size + ") of a CLIP text configuration must be positive.",
            "Maybe its config.json is not one of a CLIP text encoder.");
      }
    }
    if (hiddenSize % numAttentionHeads != 0) {
      throw EspalierException.config(
          "The width (%d) of a CLIP text configuration is not a multiple of its heads (%d)."
              .formatted(hiddenSize, numAttentionHeads),
          "Maybe its config.json is damaged.");
    }
  }

  /** The file, by its own names; what is left out has the default of {@code CLIPTextConfig}. */
  private record Json(
      @Nullable Integer vocabSize,
      @Nullable Integer hiddenSize,
      @Nullable Integer intermediateSize,
      @Nullable Integer numHiddenLayers,
      @Nullable Integer numAttentionHeads,
      @Nullable Integer maxPositionEmbeddings,
      @Nullable Double layerNormEps,
      @Nullable String hiddenAct,
      @Nullable Integer eosTokenId) {

    ClipTextConfig config(String where) {
      String activation = hiddenAct == null ? "quick_gelu" : hiddenAct;
      if (!activation.equals("quick_gelu") && !activation.equals("gelu")) {
        throw EspalierException.config(
            "The activation ("
                + activation
                + ") of the CLIP configuration "
                + where
                + " is not supported.",
            "Maybe use quick_gelu or gelu.");
      }
      return new ClipTextConfig(
          or(vocabSize, 49408),
          or(hiddenSize, 512),
          or(intermediateSize, 2048),
          or(numHiddenLayers, 12),
          or(numAttentionHeads, 8),
          or(maxPositionEmbeddings, 77),
          layerNormEps == null ? 1e-5 : layerNormEps,
          activation.equals("quick_gelu"),
          or(eosTokenId, 49407));
    }

    private static int or(@Nullable Integer value, int otherwise) {
      return value == null ? otherwise : value;
    }
  }

  /**
   * Reads a {@code config.json} of a {@code CLIPTextModel}, or of a whole {@code CLIPModel}.
   *
   * @param file the file
   * @throws EspalierException CONFIG where it is missing, malformed or lacks a field
   */
  public static ClipTextConfig read(Path file) {
    JsonNode json = ModelJson.require(file);
    return of(json.has("text_config") ? json.get("text_config") : json, file.toString());
  }

  /**
   * Reads a configuration that has been parsed.
   *
   * @param json its fields
   * @param where it comes from, for messages
   */
  public static ClipTextConfig of(JsonNode json, String where) {
    return ModelJson.bind(json, Json.class, where).config(where);
  }

  /**
   * Adds the keys of a tower of this architecture, {@code text_model.*}.
   *
   * @param spec to which they are added
   */
  public void addTo(WeightSpec.Builder spec) {
    spec.key("text_model.embeddings.token_embedding.weight", vocabSize, hiddenSize)
        .key("text_model.embeddings.position_embedding.weight", maxPositionEmbeddings, hiddenSize);
    for (int i = 0; i < numHiddenLayers; i++) {
      String layer = "text_model.encoder.layers." + i;
      for (String part : new String[] {"q_proj", "k_proj", "v_proj", "out_proj"}) {
        spec.linear(layer + ".self_attn." + part, hiddenSize, hiddenSize);
      }
      spec.norm(layer + ".layer_norm1", hiddenSize)
          .linear(layer + ".mlp.fc1", intermediateSize, hiddenSize)
          .linear(layer + ".mlp.fc2", hiddenSize, intermediateSize)
          .norm(layer + ".layer_norm2", hiddenSize);
    }
    spec.norm("text_model.final_layer_norm", hiddenSize)
        .ignore("text_model\\.embeddings\\.position_ids");
  }

  /** The weights of such a tower in the layout of Hugging Face's {@code CLIPTextModel}. */
  public WeightSpec weights() {
    WeightSpec.Builder spec = WeightSpec.builder();
    addTo(spec);
    // What whole CLIP checkpoints hold besides.
    return spec.ignore(
            "vision_model\\..*", "visual_projection\\..*", "text_projection\\..*", "logit_scale")
        .build();
  }

  /**
   * The weights of such a tower with the projection of its pooled vector, in the layout of Hugging
   * Face's {@code CLIPTextModelWithProjection}.
   *
   * @param projection width of the projected vector
   */
  public WeightSpec projectedWeights(int projection) {
    WeightSpec.Builder spec = WeightSpec.builder();
    addTo(spec);
    return spec.key("text_projection.weight", projection, hiddenSize)
        .ignore("vision_model\\..*", "visual_projection\\..*", "logit_scale")
        .build();
  }

  /**
   * Floating-point operations of encoding one text.
   *
   * @param tokens of the text, padding included
   */
  public long flops(int tokens) {
    long layer =
        4 * Flops.linear(tokens, hiddenSize, hiddenSize)
            + Flops.attention(numAttentionHeads, tokens, tokens, hiddenSize / numAttentionHeads)
            + 2 * Flops.linear(tokens, hiddenSize, intermediateSize);
    return numHiddenLayers * layer;
  }
}
