package org.espalier.verifiers;

import com.fasterxml.jackson.databind.JsonNode;
import org.espalier.torch.Flops;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;
import org.espalier.weights.ModelJson;

/**
 * The sizes of a SigLIP model in the layout of transformers' {@code SiglipModel}.
 *
 * @param vision the image tower
 * @param text the text tower
 * @param imageSize side of the input in pixels
 * @param patch side of a patch in pixels
 * @param vocabulary number of tokens
 * @param textLimit tokens of every text, padding included
 * @param padding the token that fills a text up
 * @param projection width of the common space
 */
record SiglipArchitecture(
    Tower vision,
    Tower text,
    int imageSize,
    int patch,
    int vocabulary,
    int textLimit,
    int padding,
    int projection)
    implements TwoTowers {

  private static final String MODEL = "SigLIP (transformers' SiglipModel)";
  private static final String VISION = "vision_model.";
  private static final String TEXT = "text_model.";
  private static final String LAYERS = "encoder.layers.";

  /**
   * Reads the sizes.
   *
   * @param config {@code config.json}
   * @param source the weights
   */
  static SiglipArchitecture of(JsonNode config, WeightSource source) {
    JsonNode v = config.path("vision_config");
    JsonNode t = config.path("text_config");
    String patches = VISION + "embeddings.patch_embedding.weight";
    String places = VISION + "embeddings.position_embedding.weight";
    int patch = Checkpoint.size(source, patches, 2, MODEL);
    int side = (int) Math.round(Math.sqrt(Checkpoint.size(source, places, 0, MODEL)));
    String act = "gelu_pytorch_tanh";
    return new SiglipArchitecture(
        Tower.of(v, source, VISION + LAYERS, 64, 1e-6, act, MODEL),
        Tower.of(t, source, TEXT + LAYERS, 64, 1e-6, act, MODEL),
        ModelJson.positive(v, "image_size", side * patch),
        ModelJson.positive(v, "patch_size", patch),
        Checkpoint.size(source, TEXT + "embeddings.token_embedding.weight", 0, MODEL),
        Checkpoint.size(source, TEXT + "embeddings.position_embedding.weight", 0, MODEL),
        t.path("pad_token_id").asInt(1),
        Checkpoint.size(source, TEXT + "head.weight", 0, MODEL));
  }

  WeightSpec spec(WeightSource source) {
    WeightSpec.Builder spec = WeightSpec.builder();
    long v = vision.width();
    long t = text.width();
    String head = VISION + "head.";
    spec.conv2d(VISION + "embeddings.patch_embedding", v, 3, patch)
        .key(VISION + "embeddings.position_embedding.weight", imageTokens(), v)
        .norm(VISION + "post_layernorm", v)
        .key(head + "probe", 1, 1, v)
        .key(head + "attention.in_proj_weight", 3 * v, v)
        .key(head + "attention.in_proj_bias", 3 * v)
        .linear(head + "attention.out_proj", v, v)
        .norm(head + "layernorm", v)
        .linear(head + "mlp.fc1", vision.hidden(), v)
        .linear(head + "mlp.fc2", v, vision.hidden())
        .key(TEXT + "embeddings.token_embedding.weight", vocabulary, t)
        .key(TEXT + "embeddings.position_embedding.weight", textLimit, t)
        .norm(TEXT + "final_layer_norm", t)
        .linear(TEXT + "head", projection, t)
        .fullPrecision("logit_scale", 1)
        .fullPrecision("logit_bias", 1)
        .ignore("(text|vision)_model\\.embeddings\\.position_ids");
    vision.expect(spec, source, VISION + LAYERS);
    text.expect(spec, source, TEXT + LAYERS);
    return spec.build();
  }

  void attributes(TorchProgram.Builder program) {
    vision.attributes(program, "vision");
    text.attributes(program, "text");
  }

  @Override
  public int imageTokens() {
    int side = imageSize / patch;
    return side * side;
  }

  @Override
  public int textTokens(int length) {
    return textLimit;
  }

  @Override
  public long imageFlops() {
    int side = imageSize / patch;
    long n = imageTokens();
    long width = vision.width();
    return Flops.conv2d(side, side, 3, width, patch)
        + vision.flops(n)
        + 2 * Flops.linear(1, width, width)
        + 2 * Flops.linear(n, width, width)
        + Flops.attention(vision.heads(), 1, n, width / vision.heads())
        + 2 * Flops.linear(1, width, vision.hidden());
  }

  @Override
  public long textFlops(int length) {
    return text.flops(textLimit) + Flops.linear(1, text.width(), projection);
  }

  @Override
  public long compareFlops() {
    return Flops.linear(1, projection, 1);
  }
}
