package org.espalier.verifiers;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import org.espalier.api.EspalierException;
import org.espalier.torch.Flops;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;
import org.espalier.weights.ModelJson;

/**
 * The sizes of a Mask2Former on a Swin transformer, in the one layout of {@link Mask2FormerLayout}.
 * Almost all are read off the weights; a configuration that contradicts them is refused.
 *
 * @param width channels of the first stage; each stage doubles them
 * @param depths blocks of each stage
 * @param swinHeads attention heads of each stage
 * @param window side of a window in patches
 * @param patch side of a patch in pixels
 * @param swinHidden channels inside the feed-forward part, as a multiple of the stage's
 * @param swinAct its activation
 * @param swinEps of its norms
 * @param stages that are handed on, the finest first, from 1
 * @param levels that the pixel decoder's encoder reads, the coarsest ones
 * @param features channels of the pixel decoder
 * @param maskFeatures channels in which masks are compared
 * @param encoderLayers of the pixel decoder
 * @param encoderHidden channels inside its feed-forward part
 * @param hidden channels of the queries
 * @param layers of the transformer decoder
 * @param decoderHidden channels inside its feed-forward part
 * @param heads attention heads of both
 * @param queries how many
 * @param classes without the one for nothing
 * @param act activation of the transformer decoder
 * @param preNorm whether its norms come first
 * @param unfolded whether four neighbours are joined channel by channel, as mmdetection does
 */
record Mask2FormerArchitecture(
    int width,
    List<Integer> depths,
    List<Integer> swinHeads,
    int window,
    int patch,
    int swinHidden,
    String swinAct,
    double swinEps,
    List<Integer> stages,
    int levels,
    int features,
    int maskFeatures,
    int encoderLayers,
    int encoderHidden,
    int hidden,
    int layers,
    int decoderHidden,
    int heads,
    int queries,
    int classes,
    String act,
    boolean preNorm,
    boolean unfolded) {

  private static final String MODEL = "Mask2Former on a Swin transformer";
  private static final String SWIN = "model.pixel_level_module.encoder.";
  private static final String PIXELS = "model.pixel_level_module.decoder.";
  private static final String QUERIES = "model.transformer_module.";

  /** Points at which each head looks in each level; fixed in all implementations. */
  private static final int POINTS = 4;

  /**
   * Reads the sizes.
   *
   * @param config {@code config.json}, or a missing node
   * @param source the weights, in the one layout
   * @param unfolded whether they were mmdetection's
   */
  static Mask2FormerArchitecture of(JsonNode config, WeightSource source, boolean unfolded) {
    JsonNode swin = config.path("backbone_config");
    String backbone = swin.path("model_type").asText("swin");
    if (!backbone.equals("swin")) {
      throw EspalierException.config(
          "The backbone (" + backbone + ") of " + source.location() + " is not supported.",
          "Maybe use a checkpoint with a Swin transformer, such as"
              + " facebook/mask2former-swin-small-coco-instance.");
    }
    int stageCount = Checkpoint.layers(source, SWIN + "encoder.layers.");
    List<Integer> depths = new ArrayList<>();
    List<Integer> swinHeads = new ArrayList<>();
    List<Integer> stages = new ArrayList<>();
    for (int stage = 0; stage < stageCount; stage++) {
      depths.add(Checkpoint.layers(source, stage(stage) + "blocks."));
      swinHeads.add(size(source, table(stage), 1));
      if (source.names().contains(SWIN + "hidden_states_norms.stage" + (stage + 1) + ".weight")) {
        stages.add(stage + 1);
      }
    }
    String projection = SWIN + "embeddings.patch_embeddings.projection.weight";
    int width = size(source, projection, 0);
    int side = (int) Math.round(Math.sqrt(size(source, table(0), 0)));
    int levels = size(source, PIXELS + "level_embed", 0);
    int features = size(source, PIXELS + "level_embed", 1);
    String attention = PIXELS + "encoder.layers.0.self_attn.attention_weights.weight";
    int encoderHeads = size(source, attention, 0) / (levels * POINTS);
    String queries = QUERIES + "queries_features.weight";
    Mask2FormerArchitecture read =
        new Mask2FormerArchitecture(
            width,
            depths,
            swinHeads,
            (side + 1) / 2,
            size(source, projection, 2),
            size(source, stage(0) + "blocks.0.intermediate.dense.weight", 0) / Math.max(1, width),
            Tower.requireActivation(swin.path("hidden_act").asText("gelu")),
            swin.path("layer_norm_eps").asDouble(1e-5),
            stages,
            levels,
            features,
            size(source, PIXELS + "mask_projection.weight", 0),
            Checkpoint.layers(source, PIXELS + "encoder.layers."),
            size(source, PIXELS + "encoder.layers.0.fc1.weight", 0),
            size(source, queries, 1),
            Checkpoint.layers(source, QUERIES + "decoder.layers."),
            size(source, QUERIES + "decoder.layers.0.fc1.weight", 0),
            ModelJson.positive(config, "num_attention_heads", encoderHeads),
            size(source, queries, 0),
            size(source, "class_predictor.weight", 0) - 1,
            Tower.requireActivation(config.path("activation_function").asText("relu")),
            config.path("pre_norm").asBoolean(false),
            unfolded);
    read.require(swin, "embed_dim", width);
    read.require(swin, "window_size", read.window);
    read.require(swin, "patch_size", read.patch);
    read.require(config, "num_queries", read.queries);
    read.require(config, "num_attention_heads", encoderHeads);
    if (levels < 1 || stages.size() < levels || encoderHeads < 1 || read.classes < 1) {
      throw EspalierException.config(
          "The weights "
              + source.location()
              + " are not those of "
              + MODEL
              + ": they have "
              + stages.size()
              + " stages for "
              + levels
              + " levels.",
          "Maybe the path points to another model's checkpoint.");
    }
    return read;
  }

  Mask2FormerArchitecture {
    depths = List.copyOf(depths);
    swinHeads = List.copyOf(swinHeads);
    stages = List.copyOf(stages);
  }

  private void require(JsonNode config, String name, int read) {
    if (config.hasNonNull(name) && config.get(name).asInt() != read) {
      throw EspalierException.config(
          "The configuration's %s (%s) is not the weights' (%d)."
              .formatted(name, config.get(name), read),
          "Maybe config.json belongs to another checkpoint.");
    }
  }

  private static int size(WeightSource source, String key, int axis) {
    return Checkpoint.size(source, key, axis, MODEL);
  }

  private static String stage(int stage) {
    return SWIN + "encoder.layers." + stage + ".";
  }

  private static String table(int stage) {
    return stage(stage) + "blocks.0.attention.self.relative_position_bias_table";
  }

  /** Stages that the encoder does not read, and whose maps are added on the way to the masks. */
  int laterals() {
    return stages.size() - levels;
  }

  private int channels(int stage) {
    return width << stage;
  }

  /** Every key with its shape. */
  WeightSpec spec(WeightSource source) {
    WeightSpec.Builder spec = WeightSpec.builder();
    expectSwin(spec, source);
    expectPixelDecoder(spec, source);
    expectQueries(spec, source);
    return spec.ignore(
            ".*\\.relative_position_index",
            "criterion\\..*",
            "panoptic_head\\.loss_cls\\..*",
            "model\\.pixel_level_module\\.encoder\\.layernorm\\..*")
        .build();
  }

  private void expectSwin(WeightSpec.Builder spec, WeightSource source) {
    String e = SWIN + "embeddings.";
    spec.key(e + "patch_embeddings.projection.weight", width, 3, patch, patch)
        .key(e + "patch_embeddings.projection.bias", width)
        .norm(e + "norm", width);
    for (int stage = 0; stage < depths.size(); stage++) {
      int c = channels(stage);
      for (int i = 0; i < depths.get(stage); i++) {
        String b = stage(stage) + "blocks." + i + ".";
        spec.norm(b + "layernorm_before", c).norm(b + "layernorm_after", c);
        spec.key(
            b + "attention.self.relative_position_bias_table",
            (2L * window - 1) * (2L * window - 1),
            swinHeads.get(stage));
        for (String name : List.of("self.query", "self.key", "self.value", "output.dense")) {
          Checkpoint.dense(spec, source, b + "attention." + name, c, c);
        }
        Checkpoint.dense(spec, source, b + "intermediate.dense", (long) swinHidden * c, c);
        Checkpoint.dense(spec, source, b + "output.dense", c, (long) swinHidden * c);
      }
      if (stage + 1 < depths.size()) {
        spec.key(stage(stage) + "downsample.reduction.weight", 2L * c, 4L * c);
        spec.norm(stage(stage) + "downsample.norm", 4L * c);
      }
    }
    for (int stage : stages) {
      spec.norm(SWIN + "hidden_states_norms.stage" + stage, channels(stage - 1));
    }
  }

  private void expectPixelDecoder(WeightSpec.Builder spec, WeightSource source) {
    spec.key(PIXELS + "level_embed", levels, features);
    for (int i = 0; i < levels; i++) {
      String p = PIXELS + "input_projections." + i + ".";
      int in = channels(stages.get(stages.size() - 1 - i) - 1);
      spec.conv2d(p + "0", features, in, 1).norm(p + "1", features);
    }
    for (int i = 0; i < encoderLayers; i++) {
      String p = PIXELS + "encoder.layers." + i + ".";
      int points = heads * levels * POINTS;
      spec.linear(p + "self_attn.sampling_offsets", 2L * points, features)
          .linear(p + "self_attn.attention_weights", points, features)
          .linear(p + "self_attn.value_proj", features, features)
          .linear(p + "self_attn.output_proj", features, features)
          .norm(p + "self_attn_layer_norm", features)
          .norm(p + "final_layer_norm", features)
          .linear(p + "fc1", encoderHidden, features)
          .linear(p + "fc2", features, encoderHidden);
    }
    for (int i = 1; i <= laterals(); i++) {
      spec.key(
              PIXELS + "adapter_" + i + ".0.weight",
              features,
              channels(stages.get(i - 1) - 1),
              1,
              1)
          .norm(PIXELS + "adapter_" + i + ".1", features)
          .key(PIXELS + "layer_" + i + ".0.weight", features, features, 3, 3)
          .norm(PIXELS + "layer_" + i + ".1", features);
    }
    spec.conv2d(PIXELS + "mask_projection", maskFeatures, features, 1);
  }

  private void expectQueries(WeightSpec.Builder spec, WeightSource source) {
    spec.key(QUERIES + "queries_features.weight", queries, hidden)
        .key(QUERIES + "queries_embedder.weight", queries, hidden)
        .key(QUERIES + "level_embed.weight", levels, hidden);
    for (int i = 0; i < levels; i++) {
      if (projected(source, i)) {
        spec.conv2d(QUERIES + "input_projections." + i, hidden, features, 1);
      }
    }
    for (int i = 0; i < layers; i++) {
      String p = QUERIES + "decoder.layers." + i + ".";
      for (String attention : List.of("cross_attn.", "self_attn.")) {
        for (String name : List.of("q_proj", "k_proj", "v_proj", "out_proj")) {
          Checkpoint.dense(spec, source, p + attention + name, hidden, hidden);
        }
      }
      spec.norm(p + "cross_attn_layer_norm", hidden)
          .norm(p + "self_attn_layer_norm", hidden)
          .norm(p + "final_layer_norm", hidden)
          .linear(p + "fc1", decoderHidden, hidden)
          .linear(p + "fc2", hidden, decoderHidden);
    }
    String p = QUERIES + "decoder.";
    spec.norm(p + "layernorm", hidden)
        .linear(p + "mask_predictor.mask_embedder.0.0", hidden, hidden)
        .linear(p + "mask_predictor.mask_embedder.1.0", hidden, hidden)
        .linear(p + "mask_predictor.mask_embedder.2.0", maskFeatures, hidden)
        .linear("class_predictor", classes + 1L, hidden);
  }

  private static boolean projected(WeightSource source, int level) {
    return source.names().contains(QUERIES + "input_projections." + level + ".weight");
  }

  void attributes(TorchProgram.Builder program) {
    program
        .attribute("depths", depths)
        .attribute("swin_heads", swinHeads)
        .attribute("window", window)
        .attribute("swin_act", swinAct)
        .attribute("swin_eps", swinEps)
        .attribute("unfolded", unfolded)
        .attribute("levels", levels)
        .attribute("laterals", laterals())
        .attribute("encoder_layers", encoderLayers)
        .attribute("encoder_heads", heads)
        .attribute("decoder_layers", layers)
        .attribute("heads", heads)
        .attribute("act", act)
        .attribute("pre_norm", preNorm);
  }

  /** Height and width of a stage's map, for an input of so many pixels. */
  private long[] map(int stage, int height, int width) {
    long h = ceil(height, patch);
    long w = ceil(width, patch);
    for (int i = 0; i < stage; i++) {
      h = ceil(h, 2);
      w = ceil(w, 2);
    }
    return new long[] {h, w};
  }

  private static long ceil(long a, long b) {
    return (a + b - 1) / b;
  }

  /**
   * Patches and places of one image through the network.
   *
   * @param height of the network's input in pixels
   * @param width of it
   */
  long tokens(int height, int width) {
    long[] first = map(0, height, width);
    long sum = first[0] * first[1] + queries;
    for (int i = 0; i < levels; i++) {
      long[] m = map(stages.get(stages.size() - 1 - i) - 1, height, width);
      sum += m[0] * m[1];
    }
    return sum;
  }

  /**
   * Operations of detecting on one image: matrix products, attention (padding of windows and masked
   * places included), convolutions, and the products of samples and weights.
   *
   * @param height of the network's input in pixels
   * @param width of it
   */
  long flops(int height, int width) {
    long[] m = map(0, height, width);
    long sum = Flops.conv2d(m[0], m[1], 3, this.width, patch);
    for (int stage = 0; stage < depths.size(); stage++) {
      m = map(stage, height, width);
      long c = channels(stage);
      long windows = ceil(m[0], window) * ceil(m[1], window);
      long inside = (long) window * window;
      long places = m[0] * m[1];
      long block =
          4 * Flops.linear(windows * inside, c, c)
              + Flops.attention(
                  windows * swinHeads.get(stage), inside, inside, c / swinHeads.get(stage))
              + 2 * Flops.linear(places, c, swinHidden * c);
      sum += depths.get(stage) * block;
      if (stage + 1 < depths.size()) {
        sum += Flops.linear(ceil(m[0], 2) * ceil(m[1], 2), 4 * c, 2 * c);
      }
    }
    return sum + pixelDecoderFlops(height, width) + queryFlops(height, width);
  }

  private long pixelDecoderFlops(int height, int width) {
    long sum = 0;
    long places = 0;
    for (int i = 0; i < levels; i++) {
      int stage = stages.get(stages.size() - 1 - i) - 1;
      long[] m = map(stage, height, width);
      places += m[0] * m[1];
      sum += Flops.conv2d(m[0], m[1], channels(stage), features, 1);
    }
    long points = (long) heads * levels * POINTS;
    long layer =
        2 * Flops.linear(places, features, features)
            + Flops.linear(places, features, 3 * points)
            + Flops.linear(places, (long) levels * POINTS, features)
            + 2 * Flops.linear(places, features, encoderHidden);
    sum += encoderLayers * layer;
    for (int i = 1; i <= laterals(); i++) {
      int stage = stages.get(i - 1) - 1;
      long[] m = map(stage, height, width);
      sum += Flops.conv2d(m[0], m[1], channels(stage), features, 1);
      sum += Flops.conv2d(m[0], m[1], features, features, 3);
    }
    long[] finest = finest(height, width);
    return sum + Flops.conv2d(finest[0], finest[1], features, maskFeatures, 1);
  }

  private long[] finest(int height, int width) {
    int stage = laterals() > 0 ? stages.get(0) : stages.get(stages.size() - levels);
    return map(stage - 1, height, width);
  }

  private long queryFlops(int height, int width) {
    long[] finest = finest(height, width);
    long head =
        2 * Flops.linear(queries, hidden, hidden)
            + Flops.linear(queries, hidden, maskFeatures)
            + Flops.linear(queries, maskFeatures, finest[0] * finest[1])
            + Flops.linear(queries, hidden, classes + 1L);
    long sum = (layers + 1) * head;
    for (int i = 0; i < levels; i++) {
      long[] m = map(stages.get(stages.size() - 1 - i) - 1, height, width);
      if (hidden != features) {
        sum += Flops.linear(m[0] * m[1], features, hidden);
      }
    }
    for (int i = 0; i < layers; i++) {
      long[] m = map(stages.get(stages.size() - 1 - i % levels) - 1, height, width);
      long keys = m[0] * m[1];
      sum +=
          6 * Flops.linear(queries, hidden, hidden)
              + 2 * Flops.linear(keys, hidden, hidden)
              + Flops.attention(heads, queries, keys, hidden / heads)
              + Flops.attention(heads, queries, queries, hidden / heads)
              + 2 * Flops.linear(queries, hidden, decoderHidden);
    }
    return sum;
  }
}
