package org.espalier.verifiers;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.espalier.torch.WeightSource;

/**
 * CLIP checkpoints of <a href="https://github.com/mlfoundations/open_clip">open_clip</a>, such as
 * HPSv2's, read as those of Hugging Face's {@code CLIPModel}: queries, keys and values are cut out
 * of their stacked matrices; the two projections keep their names and stay transposed, which the
 * program tells by the missing {@code .weight}.
 */
final class OpenClipLayout {
  private static final String MARK = "visual.conv1.weight";
  private static final Pattern BLOCK =
      Pattern.compile("(visual\\.)?transformer\\.resblocks\\.(\\d+)\\.(.*)");
  private static final Map<String, String> NAMES =
      Map.ofEntries(
          Map.entry("token_embedding.weight", "text_model.embeddings.token_embedding.weight"),
          Map.entry("positional_embedding", "text_model.embeddings.position_embedding.weight"),
          Map.entry("ln_final.weight", "text_model.final_layer_norm.weight"),
          Map.entry("ln_final.bias", "text_model.final_layer_norm.bias"),
          Map.entry("visual.class_embedding", "vision_model.embeddings.class_embedding"),
          Map.entry(MARK, "vision_model.embeddings.patch_embedding.weight"),
          Map.entry(
              "visual.positional_embedding", "vision_model.embeddings.position_embedding.weight"),
          Map.entry("visual.ln_pre.weight", "vision_model.pre_layrnorm.weight"),
          Map.entry("visual.ln_pre.bias", "vision_model.pre_layrnorm.bias"),
          Map.entry("visual.ln_post.weight", "vision_model.post_layernorm.weight"),
          Map.entry("visual.ln_post.bias", "vision_model.post_layernorm.bias"),
          Map.entry("visual.proj", "visual_projection"));

  private OpenClipLayout() {}

  /**
   * Weights as those of a {@code CLIPModel}, whichever of the two layouts they have; wrapped ones
   * ({@code state_dict}, {@code module.}) are unwrapped.
   *
   * @param source as in the file
   */
  static WeightSource canonical(WeightSource source) {
    return source.names().stream().anyMatch(key -> key.equals(MARK) || key.endsWith("." + MARK))
        ? source.unwrapped(MARK, "CLIP (open_clip)").split(OpenClipLayout::names)
        : ClipArchitecture.unwrapped(source);
  }

  /** Whether weights that {@link #canonical} gave were open_clip's. */
  static boolean wasOpenClip(WeightSource source) {
    return source.names().contains("visual_projection");
  }

  private static List<String> names(String key) {
    Matcher block = BLOCK.matcher(key);
    if (!block.matches()) {
      return List.of(NAMES.getOrDefault(key, key));
    }
    String layer =
        (block.group(1) == null ? "text_model" : "vision_model")
            + ".encoder.layers."
            + block.group(2)
            + ".";
    String rest = block.group(3);
    if (rest.startsWith("attn.in_proj_")) {
      String kind = rest.substring("attn.in_proj_".length());
      return Stream.of("q", "k", "v").map(p -> layer + "self_attn." + p + "_proj." + kind).toList();
    }
    return List.of(
        layer
            + rest.replace("attn.out_proj.", "self_attn.out_proj.")
                .replace("ln_1.", "layer_norm1.")
                .replace("ln_2.", "layer_norm2.")
                .replace("mlp.c_fc.", "mlp.fc1.")
                .replace("mlp.c_proj.", "mlp.fc2."));
  }

  /**
   * An {@code open_clip_config.json} with the names of a {@code CLIPModel}'s {@code config.json}.
   *
   * @param json its content, or a missing node
   */
  static JsonNode config(JsonNode json) {
    JsonNode model = json.path("model_cfg");
    ObjectNode config = JsonNodeFactory.instance.objectNode();
    String activation = model.path("quick_gelu").asBoolean() ? "quick_gelu" : "gelu";
    ObjectNode vision = config.putObject("vision_config").put("hidden_act", activation);
    JsonNode v = model.path("vision_cfg");
    if (v.has("head_width") && v.has("width")) {
      vision.put("num_attention_heads", v.get("width").asInt() / v.get("head_width").asInt());
    }
    ObjectNode text = config.putObject("text_config").put("hidden_act", activation);
    text.put("eos_token_id", 2); // the mark of reading at the largest id, as open_clip does
    if (model.path("text_cfg").has("heads")) {
      text.put("num_attention_heads", model.path("text_cfg").get("heads").asInt());
    }
    return config;
  }
}
