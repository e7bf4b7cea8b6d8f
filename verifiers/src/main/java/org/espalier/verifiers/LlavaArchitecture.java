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
 * @param decoder reads the tower's features and the text
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
    Decoder decoder,
    int imageToken,
    List<TilePlan.Canvas> canvases,
    int mostTiles) {

  private static final String MODEL = "LLaVA-OneVision";
  private static final String VISION = "model.vision_tower.";
  private static final String TEXT = Decoder.KEYS;
  private static final Pattern ANYRES = Pattern.compile("anyres_max_(\\d+)");

  LlavaArchitecture {
    canvases = List.copyOf(canvases);
    if (canvases.isEmpty()) {
      throw EspalierException.config(
          "The image_grid_pinpoints of LLaVA-OneVision are missing.",
          "Maybe config.json is another model's.");
    }
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
    Decoder decoder = Decoder.of(t, source, MODEL);
    decoder.requireOutput(
        source,
        config.path("tie_word_embeddings").asBoolean()
            || t.path("tie_word_embeddings").asBoolean());
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
        decoder,
        config.path("image_token_index").asInt(config.path("image_token_id").asInt(-1)),
        canvases,
        Integer.parseInt(anyres.group(1)));
  }

  private static void requireSupported(JsonNode config, JsonNode v, JsonNode t) {
    Decoder.require(MODEL, "text_config.model_type", t.path("model_type").asText("qwen2"), "qwen2");
    Decoder.require(
        MODEL,
        "vision_config.model_type",
        v.path("model_type").asText("siglip_vision_model"),
        "siglip_vision_model");
    Decoder.require(
        MODEL,
        "vision_feature_select_strategy",
        config.path("vision_feature_select_strategy").asText("full"),
        "full");
    Decoder.require(
        MODEL,
        "vision_feature_layer",
        config.path("vision_feature_layer").isArray() ? "several layers" : "one layer",
        "one layer");
    JsonNode rope = Decoder.rope(t);
    Decoder.require(
        MODEL,
        "rope_type",
        rope.path("rope_type").asText(rope.path("type").asText("default")),
        "default");
  }

  TilePlan plan(int imageWidth, int imageHeight) {
    return TilePlan.of(imageWidth, imageHeight, canvases, imageSize, imageSize / patch, mostTiles);
  }

  /** The most tokens that any image becomes: about the patches of the most tiles, and newlines. */
  int mostImageTokens() {
    int side = imageSize / patch;
    int rows = canvases.stream().mapToInt(c -> c.height() / imageSize * side).max().orElse(0);
    int patches =
        canvases.stream()
            .mapToInt(c -> c.height() / imageSize * (c.width() / imageSize) * side * side)
            .max()
            .orElse(0);
    return side * side + rows + Math.min(patches, (int) (1.21 * mostTiles * side * side));
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
    int width = decoder.width();
    Checkpoint.dense(spec, source, "model.multi_modal_projector.linear_1", width, v);
    Checkpoint.dense(spec, source, "model.multi_modal_projector.linear_2", width, width);
    spec.key("model.image_newline", width);
    decoder.expect(spec, source);
    // What the features are not taken from: the norm behind the tower, its pooling head, later
    // layers.
    spec.ignore("model\\.vision_tower\\.(post_layernorm|head)\\..*", ".*\\.position_ids");
    for (int i = vision.layers(); i < visionLayers; i++) {
      spec.ignore("model\\.vision_tower\\.encoder\\.layers\\." + i + "\\..*");
    }
    return spec.build();
  }

  void attributes(TorchProgram.Builder program) {
    vision.attributes(program, "vision");
    decoder.attributes(program);
    program.attribute("projector_act", projectorAct).attribute("image_token", imageToken);
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
            + Flops.linear(tokens, vision.width(), decoder.width())
            + Flops.linear(tokens, decoder.width(), decoder.width()));
  }
}
