package org.espalier.verifiers;

import com.fasterxml.jackson.databind.JsonNode;
import org.espalier.api.EspalierException;
import org.espalier.torch.Flops;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;
import org.espalier.weights.ModelJson;

/**
 * The sizes of an ImageReward model: a BLIP vision transformer, a BERT with cross-attention, a
 * head.
 *
 * @param vision the image tower
 * @param text the BERT
 * @param head the linear layers
 * @param imageSize side of the input in pixels
 * @param patch side of a patch in pixels
 * @param vocabulary number of tokens
 * @param positions the longest text in tokens
 * @param mean of raw rewards over the reference prompts and images
 * @param std of raw rewards, likewise
 */
record ImageRewardArchitecture(
    Tower vision,
    Tower text,
    ScoreHead head,
    int imageSize,
    int patch,
    int vocabulary,
    int positions,
    double mean,
    double std) {

  /** As published with ImageReward-v1.0. */
  static final double PUBLISHED_MEAN = 0.16717362830052426;

  /** As published with ImageReward-v1.0. */
  static final double PUBLISHED_STD = 1.0333394966054072;

  private static final String MODEL = "ImageReward";
  private static final String VISION = "blip.visual_encoder.";
  private static final String TEXT = "blip.text_encoder.";

  ImageRewardArchitecture {
    if (!(std > 0) || !Double.isFinite(mean)) {
      throw EspalierException.config(
          "The mean ("
              + mean
              + ") and deviation ("
              + std
              + ") of ImageReward's rewards are not"
              + " numbers of which the latter is positive.",
          "Maybe config.json is damaged.");
    }
  }

  /** The weights without {@code state_dict.}, {@code module.} and the like. */
  static WeightSource unwrapped(WeightSource source) {
    return source.unwrapped(VISION + "cls_token", MODEL);
  }

  /**
   * Reads the sizes.
   *
   * @param vit {@code embed_dim}, {@code depth}, {@code num_heads}, {@code img_size}, {@code
   *     patch_size}; what is missing is read off the weights
   * @param bert BERT's configuration, likewise
   * @param mean of raw rewards
   * @param std of raw rewards
   * @param source the weights
   */
  static ImageRewardArchitecture of(
      JsonNode vit, JsonNode bert, double mean, double std, WeightSource source) {
    String patches = VISION + "patch_embed.proj.weight";
    int patch = Checkpoint.size(source, patches, 2, MODEL);
    int side =
        (int) Math.round(Math.sqrt(Checkpoint.size(source, VISION + "pos_embed", 1, MODEL) - 1));
    int width = ModelJson.positive(vit, "embed_dim", Checkpoint.size(source, patches, 0, MODEL));
    Tower vision =
        new Tower(
            ModelJson.positive(vit, "depth", Checkpoint.layers(source, VISION + "blocks.")),
            ModelJson.positive(vit, "num_heads", Math.max(1, width / 64)),
            width,
            Checkpoint.size(source, VISION + "blocks.0.mlp.fc1.weight", 0, MODEL),
            1e-6,
            "gelu");
    String words = TEXT + "embeddings.word_embeddings.weight";
    int textWidth =
        ModelJson.positive(bert, "hidden_size", Checkpoint.size(source, words, 1, MODEL));
    Tower text =
        new Tower(
            ModelJson.positive(
                bert, "num_hidden_layers", Checkpoint.layers(source, TEXT + "encoder.layer.")),
            ModelJson.positive(bert, "num_attention_heads", Math.max(1, textWidth / 64)),
            textWidth,
            ModelJson.positive(
                bert,
                "intermediate_size",
                Checkpoint.size(
                    source, TEXT + "encoder.layer.0.intermediate.dense.weight", 0, MODEL)),
            bert.path("layer_norm_eps").asDouble(1e-12),
            bert.path("hidden_act").asText("gelu"));
    return new ImageRewardArchitecture(
        vision,
        text,
        ScoreHead.of(source, "mlp.layers.", MODEL),
        ModelJson.positive(vit, "img_size", side * patch),
        ModelJson.positive(vit, "patch_size", patch),
        ModelJson.positive(bert, "vocab_size", Checkpoint.size(source, words, 0, MODEL)),
        ModelJson.positive(
            bert,
            "max_position_embeddings",
            Checkpoint.size(source, TEXT + "embeddings.position_embeddings.weight", 0, MODEL)),
        mean,
        std);
  }

  int imageTokens() {
    int side = imageSize / patch;
    return side * side + 1;
  }

  WeightSpec spec(WeightSource source) {
    WeightSpec.Builder spec = WeightSpec.builder();
    int v = vision.width();
    spec.key(VISION + "cls_token", 1, 1, v)
        .key(VISION + "pos_embed", 1, imageTokens(), v)
        .key(VISION + "patch_embed.proj.weight", v, 3, patch, patch)
        .norm(VISION + "norm", v);
    if (source.names().contains(VISION + "patch_embed.proj.bias")) {
      spec.key(VISION + "patch_embed.proj.bias", v);
    }
    for (int i = 0; i < vision.layers(); i++) {
      String p = VISION + "blocks." + i + ".";
      spec.norm(p + "norm1", v).norm(p + "norm2", v);
      Checkpoint.dense(spec, source, p + "attn.qkv", 3L * v, v);
      Checkpoint.dense(spec, source, p + "attn.proj", v, v);
      Checkpoint.dense(spec, source, p + "mlp.fc1", vision.hidden(), v);
      Checkpoint.dense(spec, source, p + "mlp.fc2", v, vision.hidden());
    }
    int t = text.width();
    spec.key(TEXT + "embeddings.word_embeddings.weight", vocabulary, t)
        .key(TEXT + "embeddings.position_embeddings.weight", positions, t)
        .norm(TEXT + "embeddings.LayerNorm", t);
    for (int i = 0; i < text.layers(); i++) {
      String p = TEXT + "encoder.layer." + i + ".";
      attention(spec, source, p + "attention.", t);
      attention(spec, source, p + "crossattention.", v);
      Checkpoint.dense(spec, source, p + "intermediate.dense", text.hidden(), t);
      Checkpoint.dense(spec, source, p + "output.dense", t, text.hidden());
      spec.norm(p + "output.LayerNorm", t);
    }
    head.expect(spec, source, "mlp.layers.", t);
    // The published file also holds BLIP's contrastive heads, which the score does not use.
    return spec.ignore(
            ".*\\.position_ids",
            "blip\\.(vision|text)_proj\\..*",
            "blip\\.text_encoder\\.pooler\\..*")
        .build();
  }

  private void attention(
      WeightSpec.Builder spec, WeightSource source, String prefix, int sourceWidth) {
    int t = text.width();
    Checkpoint.dense(spec, source, prefix + "self.query", t, t);
    Checkpoint.dense(spec, source, prefix + "self.key", t, sourceWidth);
    Checkpoint.dense(spec, source, prefix + "self.value", t, sourceWidth);
    Checkpoint.dense(spec, source, prefix + "output.dense", t, t);
    spec.norm(prefix + "output.LayerNorm", t);
  }

  void attributes(TorchProgram.Builder program) {
    vision.attributes(program, "vision");
    text.attributes(program, "text");
    program.attribute("mean", mean).attribute("std", std);
  }

  /**
   * Operations of scoring one image.
   *
   * @param tokens of the text
   */
  long flops(int tokens) {
    int side = imageSize / patch;
    int t = text.width();
    long cross =
        2 * Flops.linear(tokens, t, t)
            + 2 * Flops.linear(imageTokens(), vision.width(), t)
            + Flops.attention(text.heads(), tokens, imageTokens(), t / text.heads());
    return Flops.conv2d(side, side, 3, vision.width(), patch)
        + vision.flops(imageTokens())
        + text.flops(tokens)
        + text.layers() * cross
        + head.flops();
  }
}
