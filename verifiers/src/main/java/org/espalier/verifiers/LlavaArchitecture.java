package org.espalier.verifiers;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.espalier.api.EspalierException;
import org.espalier.torch.Flops;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;
import org.espalier.weights.ModelJson;

/**
 * The sizes of a LLaVA-OneVision model with a SigLIP tower and a Qwen2 decoder.
 *
 * @param vision the image tower, as many layers of it as are used
 * @param visionLayers layers that the checkpoint has
 * @param imageSize side of a tile in pixels
 * @param patch side of a patch in pixels
 * @param projectorAct activation between the projector's two layers
 * @param width of the decoder
 * @param layers of the decoder
 * @param heads of its queries
 * @param kvHeads of its keys and values
 * @param headDim channels of a head
 * @param hidden channels inside its feed-forward part
 * @param eps of its norms
 * @param theta of its rotary position embedding
 * @param act activation of its feed-forward part
 * @param vocabulary number of tokens
 * @param positions the longest sequence
 * @param tied whether the output layer is the embedding
 * @param imageToken the token that stands for a place of the image
 * @param canvases that tiles can fill
 * @param mostTiles an image is shrunk to about the patches of so many tiles
 */
record LlavaArchitecture(
    Tower vision,
    int visionLayers,
    int imageSize,
    int patch,
    String projectorAct,
    int width,
    int layers,
    int heads,
    int kvHeads,
    int headDim,
    int hidden,
    double eps,
    double theta,
    String act,
    int vocabulary,
    int positions,
    boolean tied,
    int imageToken,
    List<TilePlan.Canvas> canvases,
    int mostTiles) {

  private static final String MODEL = "LLaVA-OneVision";
  private static final String VISION = "model.vision_tower.";
  private static final String TEXT = "model.language_model.";
  private static final Pattern ANYRES = Pattern.compile("anyres_max_(\\d+)");

  LlavaArchitecture {
    canvases = List.copyOf(canvases);
    if (kvHeads < 1 || heads % kvHeads != 0 || headDim % 2 != 0) {
      throw EspalierException.config(
          "The decoder's %d heads of %d channels do not go with %d key-value heads."
              .formatted(heads, headDim, kvHeads),
          "Maybe config.json belongs to another checkpoint.");
    }
    if (canvases.isEmpty()) {
      throw EspalierException.config(
          "The image_grid_pinpoints of LLaVA-OneVision are missing.",
          "Maybe config.json is another model's.");
    }
    Tower.requireActivation(act);
    Tower.requireActivation(projectorAct);
  }

  /**
   * The keys as transformers 5 writes them, whatever the checkpoint was written by.
   *
   * @param key as in the file
   */
  static String canonical(String key) {
    String name = key;
    if (name.startsWith("language_model.lm_head.")) {
      return name.substring("language_model.".length());
    }
    if (name.startsWith("language_model.model.")) {
      name = TEXT + name.substring("language_model.model.".length());
    } else if (name.startsWith("vision_tower.")
        || name.startsWith("multi_modal_projector.")
        || name.equals("image_newline")) {
      name = "model." + name;
    }
    return name.startsWith(VISION + "vision_model.")
        ? VISION + name.substring((VISION + "vision_model.").length())
        : name;
  }

  /**
   * Reads the sizes.
   *
   * @param config {@code config.json}
   * @param source the weights, under their canonical names
   */
  static LlavaArchitecture of(JsonNode config, WeightSource source) {
    JsonNode v = config.path("vision_config");
    JsonNode t = config.path("text_config");
    requireSupported(config, v, t);
    String patches = VISION + "embeddings.patch_embedding.weight";
    String places = VISION + "embeddings.position_embedding.weight";
    int patch = ModelJson.positive(v, "patch_size", Checkpoint.size(source, patches, 2, MODEL));
    int side = (int) Math.round(Math.sqrt(Checkpoint.size(source, places, 0, MODEL)));
    Tower all =
        Tower.of(v, source, VISION + "encoder.layers.", 72, 1e-6, "gelu_pytorch_tanh", MODEL);
    int feature = config.path("vision_feature_layer").asInt(-1);
    int used = feature < 0 ? all.layers() + 1 + feature : feature;
    if (used < 1 || used > all.layers()) {
      throw EspalierException.config(
          "The vision_feature_layer ("
              + feature
              + ") is none of the tower's "
              + all.layers()
              + " layers.",
          "Maybe config.json belongs to another checkpoint.");
    }
    String words = TEXT + "embed_tokens.weight";
    int width = ModelJson.positive(t, "hidden_size", Checkpoint.size(source, words, 1, MODEL));
    int heads = ModelJson.positive(t, "num_attention_heads", Math.max(1, width / 64));
    JsonNode rope = t.path("rope_parameters");
    List<TilePlan.Canvas> canvases = new ArrayList<>();
    for (JsonNode pair : config.path("image_grid_pinpoints")) {
      canvases.add(new TilePlan.Canvas(pair.path(0).asInt(), pair.path(1).asInt()));
    }
    Matcher anyres = ANYRES.matcher(config.path("vision_aspect_ratio").asText("anyres_max_9"));
    if (!anyres.matches()) {
      throw EspalierException.config(
          "The vision_aspect_ratio ("
              + config.path("vision_aspect_ratio").asText()
              + ") of LLaVA-OneVision is not supported.",
          "Maybe use a checkpoint with anyres_max_9.");
    }
    return new LlavaArchitecture(
        new Tower(used, all.heads(), all.width(), all.hidden(), all.eps(), all.activation()),
        all.layers(),
        ModelJson.positive(v, "image_size", side * patch),
        patch,
        config.path("projector_hidden_act").asText("gelu"),
        width,
        ModelJson.positive(t, "num_hidden_layers", Checkpoint.layers(source, TEXT + "layers.")),
        heads,
        ModelJson.positive(t, "num_key_value_heads", heads),
        ModelJson.positive(t, "head_dim", width / heads),
        ModelJson.positive(
            t,
            "intermediate_size",
            Checkpoint.size(source, TEXT + "layers.0.mlp.up_proj.weight", 0, MODEL)),
        t.path("rms_norm_eps").asDouble(1e-6),
        rope.has("rope_theta")
            ? rope.get("rope_theta").asDouble()
            : t.path("rope_theta").asDouble(10000),
        t.path("hidden_act").asText("silu"),
        ModelJson.positive(t, "vocab_size", Checkpoint.size(source, words, 0, MODEL)),
        ModelJson.positive(t, "max_position_embeddings", 32768),
        !source.names().contains("lm_head.weight")
            && (config.path("tie_word_embeddings").asBoolean()
                || t.path("tie_word_embeddings").asBoolean()),
        config.path("image_token_index").asInt(config.path("image_token_id").asInt(-1)),
        canvases,
        Integer.parseInt(anyres.group(1)));
  }

  private static void requireSupported(JsonNode config, JsonNode v, JsonNode t) {
    require("text_config.model_type", t.path("model_type").asText("qwen2"), "qwen2");
    require(
        "vision_config.model_type",
        v.path("model_type").asText("siglip_vision_model"),
        "siglip_vision_model");
    require(
        "vision_feature_select_strategy",
        config.path("vision_feature_select_strategy").asText("full"),
        "full");
    require(
        "vision_feature_layer",
        config.path("vision_feature_layer").isArray() ? "several layers" : "one layer",
        "one layer");
    require("use_sliding_window", t.path("use_sliding_window").asText("false"), "false");
    JsonNode rope =
        t.hasNonNull("rope_scaling") ? t.get("rope_scaling") : t.path("rope_parameters");
    require(
        "rope_type", rope.path("rope_type").asText(rope.path("type").asText("default")), "default");
  }

  private static void require(String name, String value, String supported) {
    if (!value.equals(supported)) {
      throw EspalierException.config(
          "The " + name + " (" + value + ") of LLaVA-OneVision is not supported.",
          "Maybe use a checkpoint with "
              + supported
              + ", such as"
              + " llava-hf/llava-onevision-qwen2-7b-ov-hf.");
    }
  }

  TilePlan plan(int imageWidth, int imageHeight) {
    return TilePlan.of(imageWidth, imageHeight, canvases, imageSize, imageSize / patch, mostTiles);
  }

  WeightSpec spec(WeightSource source) {
    WeightSpec.Builder spec = WeightSpec.builder();
    int v = vision.width();
    int side = imageSize / patch;
    spec.key(VISION + "embeddings.patch_embedding.weight", v, 3, patch, patch)
        .key(VISION + "embeddings.position_embedding.weight", (long) side * side, v);
    if (source.names().contains(VISION + "embeddings.patch_embedding.bias")) {
      spec.key(VISION + "embeddings.patch_embedding.bias", v);
    }
    vision.expect(spec, source, VISION + "encoder.layers.");
    Checkpoint.dense(spec, source, "model.multi_modal_projector.linear_1", width, v);
    Checkpoint.dense(spec, source, "model.multi_modal_projector.linear_2", width, width);
    spec.key("model.image_newline", width)
        .key(TEXT + "embed_tokens.weight", vocabulary, width)
        .key(TEXT + "norm.weight", width);
    for (int i = 0; i < layers; i++) {
      String p = TEXT + "layers." + i + ".";
      spec.key(p + "input_layernorm.weight", width)
          .key(p + "post_attention_layernorm.weight", width);
      Checkpoint.dense(spec, source, p + "self_attn.q_proj", (long) heads * headDim, width);
      Checkpoint.dense(spec, source, p + "self_attn.k_proj", (long) kvHeads * headDim, width);
      Checkpoint.dense(spec, source, p + "self_attn.v_proj", (long) kvHeads * headDim, width);
      Checkpoint.dense(spec, source, p + "self_attn.o_proj", width, (long) heads * headDim);
      Checkpoint.dense(spec, source, p + "mlp.gate_proj", hidden, width);
      Checkpoint.dense(spec, source, p + "mlp.up_proj", hidden, width);
      Checkpoint.dense(spec, source, p + "mlp.down_proj", width, hidden);
    }
    if (!tied) {
      spec.key("lm_head.weight", vocabulary, width);
    }
    // What the features are not taken from: the norm behind the tower, its pooling head, later
    // layers.
    spec.ignore(
        "model\\.vision_tower\\.(post_layernorm|head)\\..*",
        ".*\\.position_ids",
        ".*\\.rotary_emb\\.inv_freq");
    for (int i = vision.layers(); i < visionLayers; i++) {
      spec.ignore("model\\.vision_tower\\.encoder\\.layers\\." + i + "\\..*");
    }
    return spec.build();
  }

  void attributes(TorchProgram.Builder program) {
    vision.attributes(program, "vision");
    program
        .attribute("projector_act", projectorAct)
        .attribute("layers", layers)
        .attribute("heads", heads)
        .attribute("kv_heads", kvHeads)
        .attribute("head_dim", headDim)
        .attribute("eps", eps)
        .attribute("theta", theta)
        .attribute("act", act)
        .attribute("image_token", imageToken)
        .attribute("tied", tied);
  }

  /**
   * Operations of embedding an image and its tiles.
   *
   * @param tiles how many, the whole image included
   */
  long imageFlops(int tiles) {
    int side = imageSize / patch;
    long tokens = (long) side * side;
    return tiles
        * (Flops.conv2d(side, side, 3, vision.width(), patch)
            + vision.flops(tokens)
            + Flops.linear(tokens, vision.width(), width)
            + Flops.linear(tokens, width, width));
  }

  /**
   * Operations of the decoder over new tokens, with logits for the last of them.
   *
   * @param tokens new
   * @param past tokens whose keys and values are held
   */
  long decodeFlops(long tokens, long past) {
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
