package org.espalier.verifiers;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.espalier.torch.ClipTextConfig;
import org.espalier.torch.Flops;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;
import org.espalier.weights.ModelJson;

/**
 * The sizes of a CLIP model under the names of Hugging Face's {@code CLIPModel}.
 *
 * @param vision the image tower
 * @param text the text tower
 * @param imageSize side of the input in pixels
 * @param patch side of a patch in pixels
 * @param projection width of the common space
 */
record ClipArchitecture(Tower vision, ClipTextConfig text, int imageSize, int patch, int projection)
    implements TwoTowers {

  private static final String MODEL = "CLIP (Hugging Face's CLIPModel)";
  private static final String VISION = "vision_model.encoder.layers.";

  /** The weights without {@code state_dict.}, {@code module.} and the like. */
  static WeightSource unwrapped(WeightSource source) {
    return source.unwrapped("vision_model.embeddings.class_embedding", MODEL);
  }

  /**
   * Reads the sizes.
   *
   * @param config {@code config.json}
   * @param source the weights
   */
  static ClipArchitecture of(JsonNode config, WeightSource source) {
    JsonNode v = config.path("vision_config");
    String patches = "vision_model.embeddings.patch_embedding.weight";
    String places = "vision_model.embeddings.position_embedding.weight";
    int patch = Checkpoint.size(source, patches, 2, MODEL);
    int side = (int) Math.round(Math.sqrt(Checkpoint.size(source, places, 0, MODEL) - 1));
    int width = Checkpoint.size(source, VISION + "0.mlp.fc1.weight", 1, MODEL);
    return new ClipArchitecture(
        Tower.of(v, source, VISION, width / heads(width), 1e-5, "quick_gelu", MODEL),
        text(config.path("text_config"), source),
        ModelJson.positive(v, "image_size", side * patch),
        ModelJson.positive(v, "patch_size", patch),
        ModelJson.positive(
            config,
            "projection_dim",
            OpenClipLayout.wasOpenClip(source)
                ? Checkpoint.size(source, "text_projection", 1, MODEL)
                : Checkpoint.size(source, "text_projection.weight", 0, MODEL)));
  }

  /** Heads of the published towers: 64 channels each, but 16 heads in those wider than 1024. */
  private static int heads(int width) {
    return width > 1024 ? 16 : Math.max(1, width / 64);
  }

  /** The text tower; what the configuration leaves out is read off the weights. */
  private static ClipTextConfig text(JsonNode config, WeightSource source) {
    String layers = "text_model.encoder.layers.";
    String words = "text_model.embeddings.token_embedding.weight";
    String places = "text_model.embeddings.position_embedding.weight";
    int width = Checkpoint.size(source, words, 1, MODEL);
    ObjectNode all = JsonNodeFactory.instance.objectNode();
    all.put("vocab_size", Checkpoint.size(source, words, 0, MODEL))
        .put("hidden_size", width)
        .put("max_position_embeddings", Checkpoint.size(source, places, 0, MODEL))
        .put("num_hidden_layers", Checkpoint.layers(source, layers))
        .put("num_attention_heads", heads(width))
        .put("intermediate_size", Checkpoint.size(source, layers + "0.mlp.fc1.weight", 0, MODEL));
    if (config instanceof ObjectNode stated) {
      all.setAll(stated);
    }
    return ClipTextConfig.of(all, "config.json of " + source.location());
  }

  @Override
  public int textLimit() {
    return text.maxPositionEmbeddings();
  }

  @Override
  public int textTokens(int length) {
    return length;
  }

  @Override
  public int imageTokens() {
    int side = imageSize / patch;
    return side * side + 1;
  }

  private WeightSpec.Builder expectImageSide(WeightSource source) {
    WeightSpec.Builder spec = WeightSpec.builder();
    String e = "vision_model.embeddings.";
    spec.key(e + "class_embedding", vision.width())
        .key(e + "patch_embedding.weight", vision.width(), 3, patch, patch)
        .key(e + "position_embedding.weight", imageTokens(), vision.width())
        .norm("vision_model.pre_layrnorm", vision.width())
        .norm("vision_model.post_layernorm", vision.width());
    vision.expect(spec, source, VISION);
    expectProjection(spec, source, "visual_projection", vision.width());
    return spec.ignore("(text|vision)_model\\.embeddings\\.position_ids");
  }

  /** The keys of the image side; those of the text side may be there. */
  WeightSpec imageSideSpec(WeightSource source) {
    return expectImageSide(source)
        .ignore("text_model\\..*", "text_projection(\\..*)?", "logit_scale")
        .build();
  }

  WeightSpec spec(WeightSource source) {
    WeightSpec.Builder spec = expectImageSide(source).fullPrecision("logit_scale");
    text.addTo(spec);
    expectProjection(spec, source, "text_projection", text.hiddenSize());
    return spec.build();
  }

  private void expectProjection(
      WeightSpec.Builder spec, WeightSource source, String name, int width) {
    if (source.names().contains(name)) {
      spec.key(name, width, projection); // open_clip's, transposed
    } else {
      Checkpoint.dense(spec, source, name, projection, width);
    }
  }

  void attributes(TorchProgram.Builder program) {
    vision.attributes(program, "vision");
    program
        .attribute("text_layers", text.numHiddenLayers())
        .attribute("text_heads", text.numAttentionHeads())
        .attribute("text_eps", text.layerNormEps())
        .attribute("quick", text.quickGelu())
        .attribute("eos", text.eosTokenId());
  }

  @Override
  public long imageFlops() {
    int side = imageSize / patch;
    return Flops.conv2d(side, side, 3, vision.width(), patch)
        + vision.flops(imageTokens())
        + Flops.linear(1, vision.width(), projection);
  }

  @Override
  public long textFlops(int tokens) {
    return text.flops(tokens) + Flops.linear(1, text.hiddenSize(), projection);
  }

  @Override
  public long compareFlops() {
    return Flops.linear(1, projection, 1);
  }
}
