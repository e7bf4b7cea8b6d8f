package org.espalier.verifiers;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.espalier.api.EspalierException;
import org.espalier.torch.Flops;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;
import org.espalier.weights.ModelJson;

/**
 * The sizes of a Qwen2.5-VL or Qwen3-VL model.
 *
 * @param vision the tower
 * @param decoder reads the tower's features and the text
 * @param axes for each frequency of the rotary positions which of the three axes turns it: 0 time,
 *     1 rows, 2 columns
 * @param imageToken the token that stands for a place of the image
 */
record QwenVlArchitecture(Vision vision, Decoder decoder, List<Integer> axes, int imageToken) {

  private static final String VISION = "model.visual.";

  QwenVlArchitecture {
    axes = List.copyOf(axes);
  }

  /** Which of the models a configuration is of. */
  enum Generation {
    /** Qwen2.5-VL: RMS norms, gated MLP, attention in windows. */
    QWEN2_5,
    /** Qwen3-VL: layer norms, learned positions, features of several layers (deepstack). */
    QWEN3;

    String title() {
      return this == QWEN2_5 ? "Qwen2.5-VL" : "Qwen3-VL";
    }
  }

  /**
   * The tower.
   *
   * @param generation whose it is
   * @param layers how many
   * @param heads attention heads
   * @param width channels of a patch
   * @param hidden channels inside the feed-forward part
   * @param activation of the feed-forward part
   * @param patch side of a patch in pixels
   * @param time frames of a patch
   * @param merge patches along a cell's side
   * @param window cells along an attention window's side; 0 where all attend to all
   * @param whole layers in which all attend to all nevertheless
   * @param positions along the side of the learned positions' square, or 0
   * @param deep layers after which features are taken besides
   */
  record Vision(
      Generation generation,
      int layers,
      int heads,
      int width,
      int hidden,
      String activation,
      int patch,
      int time,
      int merge,
      int window,
      List<Integer> whole,
      int positions,
      List<Integer> deep) {
    Vision {
      whole = List.copyOf(whole);
      deep = List.copyOf(deep);
      Tower.requireActivation(activation);
      if (width % heads != 0 || width / heads % 4 != 0) {
        throw EspalierException.config(
            "The tower's width (%d) does not go with its %d heads.".formatted(width, heads),
            "Maybe config.json belongs to another checkpoint.");
      }
    }

    long flops(PatchGrid grid, int outWidth) {
      long n = grid.patches();
      long cells = grid.cells();
      long wide = (long) width * merge * merge;
      long flops = Flops.linear(n, 3L * time * patch * patch, width);
      long windows = 0;
      long[] runs = grid.runs();
      for (int i = 0; i < runs.length; i += 2) {
        windows += runs[i] * Flops.attention(heads, runs[i + 1], runs[i + 1], width / heads);
      }
      long all = Flops.attention(heads, n, n, width / heads);
      int matrices = generation == Generation.QWEN2_5 ? 3 : 2;
      for (int i = 0; i < layers; i++) {
        flops +=
            4 * Flops.linear(n, width, width)
                + (window == 0 || whole.contains(i) ? all : windows)
                + matrices * Flops.linear(n, width, hidden);
      }
      return flops
          + (1 + deep.size())
              * (Flops.linear(cells, wide, wide) + Flops.linear(cells, wide, outWidth));
    }
  }

  /**
   * The keys as transformers 5 writes them, whatever the checkpoint was written by.
   *
   * @param key as in the file
   */
  static String canonical(String key) {
    if (key.startsWith("visual.")) {
      return "model." + key;
    }
    for (String part : List.of("layers.", "embed_tokens.", "norm.")) {
      if (key.startsWith("model." + part)) {
        return Decoder.KEYS + key.substring("model.".length());
      }
    }
    return key;
  }

  /** Which model a configuration is of. */
  static Generation generation(JsonNode config) {
    return switch (config.path("model_type").asText()) {
      case "qwen2_5_vl" -> Generation.QWEN2_5;
      case "qwen3_vl" -> Generation.QWEN3;
      default ->
          throw EspalierException.config(
              "The model_type ("
                  + config.path("model_type").asText("missing")
                  + ") is none of a Qwen-VL model that is known.",
              "Maybe use a snapshot of Qwen/Qwen2.5-VL-7B-Instruct or Qwen/Qwen3-VL-8B-Instruct.");
    };
  }

  /**
   * Reads the sizes.
   *
   * @param config {@code config.json}
   * @param source the weights, under their canonical names
   */
  static QwenVlArchitecture of(JsonNode config, WeightSource source) {
    Generation generation = generation(config);
    String model = generation.title();
    // Qwen2.5-VL's published files have the decoder's fields at the top.
    JsonNode text = config.has("text_config") ? config.get("text_config") : config;
    Decoder decoder = Decoder.of(text, source, model);
    decoder.requireOutput(
        source,
        config.path("tie_word_embeddings").asBoolean()
            || text.path("tie_word_embeddings").asBoolean());
    return new QwenVlArchitecture(
        vision(config.path("vision_config"), source, generation),
        decoder,
        axes(Decoder.rope(text), generation, decoder.headDim() / 2),
        config.path("image_token_id").asInt(-1));
  }

  private static Vision vision(JsonNode v, WeightSource source, Generation generation) {
    String model = generation.title();
    String patches = VISION + "patch_embed.proj.weight";
    boolean third = generation == Generation.QWEN3;
    String first = VISION + "blocks.0.mlp." + (third ? "linear_fc1" : "gate_proj") + ".weight";
    int width = ModelJson.positive(v, "hidden_size", Checkpoint.size(source, patches, 0, model));
    int patch = ModelJson.positive(v, "patch_size", Checkpoint.size(source, patches, 3, model));
    int merge = ModelJson.positive(v, "spatial_merge_size", 2);
    int window = third ? 0 : ModelJson.positive(v, "window_size", 112) / merge / patch;
    int positions =
        third
            ? (int)
                Math.round(
                    Math.sqrt(Checkpoint.size(source, VISION + "pos_embed.weight", 0, model)))
            : 0;
    return new Vision(
        generation,
        ModelJson.positive(v, "depth", Checkpoint.layers(source, VISION + "blocks.")),
        ModelJson.positive(v, "num_heads", 16),
        width,
        ModelJson.positive(v, "intermediate_size", Checkpoint.size(source, first, 0, model)),
        v.path("hidden_act").asText(third ? "gelu_pytorch_tanh" : "silu"),
        patch,
        ModelJson.positive(v, "temporal_patch_size", Checkpoint.size(source, patches, 2, model)),
        merge,
        window,
        third ? List.of() : numbers(v.path("fullatt_block_indexes")),
        positions,
        third ? numbers(v.path("deepstack_visual_indexes")) : List.of());
  }

  private static List<Integer> numbers(JsonNode array) {
    List<Integer> numbers = new ArrayList<>();
    array.forEach(n -> numbers.add(n.asInt()));
    return numbers;
  }

  private static List<Integer> axes(JsonNode rope, Generation generation, int frequencies) {
    String type = rope.path("rope_type").asText(rope.path("type").asText("default"));
    Decoder.require(generation.title(), "rope_type", type, "default", "mrope");
    List<Integer> sections = numbers(rope.path("mrope_section"));
    if (sections.size() != 3 || sections.stream().mapToInt(i -> i).sum() != frequencies) {
      throw EspalierException.config(
          "The mrope_section %s of %s does not part the decoder's %d frequencies in three."
              .formatted(sections, generation.title(), frequencies),
          "Maybe config.json is damaged.");
    }
    int[] axes = new int[frequencies];
    if (generation == Generation.QWEN2_5) {
      Arrays.fill(axes, sections.get(0), sections.get(0) + sections.get(1), 1);
      Arrays.fill(axes, sections.get(0) + sections.get(1), frequencies, 2);
    } else {
      for (int axis = 1; axis < 3; axis++) {
        for (int i = axis; i < 3 * sections.get(axis) && i < frequencies; i += 3) {
          axes[i] = axis;
        }
      }
    }
    return IntStream.of(axes).boxed().toList();
  }

  WeightSpec spec(WeightSource source) {
    WeightSpec.Builder spec = WeightSpec.builder();
    int v = vision.width;
    boolean third = vision.generation == Generation.QWEN3;
    spec.key(VISION + "patch_embed.proj.weight", v, 3, vision.time, vision.patch, vision.patch);
    if (third) {
      spec.key(VISION + "patch_embed.proj.bias", v)
          .key(VISION + "pos_embed.weight", (long) vision.positions * vision.positions, v);
    }
    for (int i = 0; i < vision.layers; i++) {
      String p = VISION + "blocks." + i + ".";
      norm(spec, p + "norm1", v);
      norm(spec, p + "norm2", v);
      spec.linear(p + "attn.qkv", 3L * v, v).linear(p + "attn.proj", v, v);
      if (third) {
        spec.linear(p + "mlp.linear_fc1", vision.hidden, v)
            .linear(p + "mlp.linear_fc2", v, vision.hidden);
      } else {
        spec.linear(p + "mlp.gate_proj", vision.hidden, v)
            .linear(p + "mlp.up_proj", vision.hidden, v)
            .linear(p + "mlp.down_proj", v, vision.hidden);
      }
    }
    long wide = (long) v * vision.merge * vision.merge;
    if (third) {
      merger(spec, VISION + "merger.", v, wide);
      for (int i = 0; i < vision.deep.size(); i++) {
        merger(spec, VISION + "deepstack_merger_list." + i + ".", wide, wide);
      }
    } else {
      spec.key(VISION + "merger.ln_q.weight", v)
          .linear(VISION + "merger.mlp.0", wide, wide)
          .linear(VISION + "merger.mlp.2", decoder.width(), wide);
    }
    decoder.expect(spec, source);
    return spec.build();
  }

  private void norm(WeightSpec.Builder spec, String prefix, long width) {
    if (vision.generation == Generation.QWEN3) {
      spec.norm(prefix, width);
    } else {
      spec.key(prefix + ".weight", width);
    }
  }

  private void merger(WeightSpec.Builder spec, String prefix, long normed, long wide) {
    spec.norm(prefix + "norm", normed)
        .linear(prefix + "linear_fc1", wide, wide)
        .linear(prefix + "linear_fc2", decoder.width(), wide);
  }

  void attributes(TorchProgram.Builder program) {
    decoder.attributes(program);
    program
        .attribute("vision_layers", vision.layers)
        .attribute("vision_heads", vision.heads)
        .attribute("vision_head", vision.width / vision.heads)
        .attribute("vision_act", vision.activation)
        .attribute("vision_positions", vision.positions)
        .attribute("vision_whole", numbers(vision.whole))
        .attribute("vision_deep", numbers(vision.deep))
        .attribute("vision_deeps", vision.deep.size())
        .attribute("merge_unit", vision.merge * vision.merge)
        .attribute("image_token", imageToken);
  }

  /** Layers as the program tells them apart: {@code ",0,2,"}. */
  private static String numbers(List<Integer> layers) {
    return layers.stream().map(i -> i + ",").collect(Collectors.joining("", ",", ""));
  }

  /**
   * Positions of a sequence: text counts on; an image's tokens stand at its start plus their row
   * and column, and the text goes on behind the longer of its sides.
   *
   * @param ids with one image token a cell
   * @param grids of the images, in order
   * @return (3, length) row-major, and the position that follows
   */
  Positions positions(long[] ids, List<PatchGrid> grids) {
    int length = ids.length;
    long[] at = new long[3 * length];
    long next = 0;
    int image = 0;
    for (int i = 0; i < length; ) {
      if (ids[i] != imageToken) {
        for (int axis = 0; axis < 3; axis++) {
          at[axis * length + i] = next;
        }
        next++;
        i++;
        continue;
      }
      PatchGrid grid = grids.get(image++);
      int columns = grid.columns() / grid.merge();
      for (int cell = 0; cell < grid.cells(); cell++, i++) {
        at[i] = next;
        at[length + i] = next + cell / columns;
        at[2 * length + i] = next + cell % columns;
      }
      next += Math.max(grid.rows() / grid.merge(), columns);
    }
    return new Positions(at, next);
  }

  /**
   * Positions of a sequence.
   *
   * @param axes (3, length), row-major: time, rows, columns
   * @param next position of the token that follows
   */
  record Positions(long[] axes, long next) {
    /**
     * For each token and frequency the position on the frequency's axis.
     *
     * @param axis of each frequency
     * @return (length, frequencies), row-major
     */
    long[] byFrequency(List<Integer> axis) {
      int length = axes.length / 3;
      long[] all = new long[length * axis.size()];
      for (int i = 0; i < all.length; i++) {
        all[i] = axes[axis.get(i % axis.size()) * length + i / axis.size()];
      }
      return all;
    }
  }
}
