package org.espalier.verifiers;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * LLaVA-OneVision checkpoints of its <a href="https://github.com/LLaVA-VL/LLaVA-NeXT">authors'</a>
 * layout, such as UnifiedReward's first ones, read as those of transformers.
 */
final class LlavaNextLayout {
  private static final Map<String, String> PREFIXES =
      Map.of(
          "model.vision_tower.vision_tower.vision_model.",
          "model.vision_tower.",
          "model.mm_projector.0.",
          "model.multi_modal_projector.linear_1.",
          "model.mm_projector.2.",
          "model.multi_modal_projector.linear_2.",
          "model.layers.",
          Decoder.KEYS + "layers.",
          "model.embed_tokens.",
          Decoder.KEYS + "embed_tokens.",
          "model.norm.",
          Decoder.KEYS + "norm.");
  private static final Pattern TOWER_SIZE = Pattern.compile(".*-(\\d+)");
  private static final Pattern GRID =
      Pattern.compile("\\((\\d+)x(\\d+)\\),\\.\\.\\.,\\((\\d+)x(\\d+)\\)");

  private LlavaNextLayout() {}

  /**
   * A key as transformers 5 writes it.
   *
   * @param key as in the file
   */
  static String canonical(String key) {
    for (Map.Entry<String, String> prefix : PREFIXES.entrySet()) {
      if (key.startsWith(prefix.getKey())) {
        return prefix.getValue() + key.substring(prefix.getKey().length());
      }
    }
    return key;
  }

  /**
   * A {@code config.json} with the fields of transformers: the decoder's lie in a section of their
   * own, and the tower, of which the layers behind the one that is read are cut off, is described
   * by its name.
   *
   * @param json as in the file
   */
  static JsonNode config(JsonNode json) {
    ObjectNode config = json.deepCopy();
    ObjectNode text = json.deepCopy();
    text.put("model_type", "qwen2");
    config.set("text_config", text);
    ObjectNode vision = config.putObject("vision_config");
    Matcher size = TOWER_SIZE.matcher(json.path("mm_vision_tower").asText());
    if (size.matches()) {
      vision.put("image_size", Integer.parseInt(size.group(1)));
    }
    config.put("vision_feature_layer", -1);
    config.put("vision_aspect_ratio", json.path("image_aspect_ratio").asText("anyres_max_9"));
    if (!json.has("image_token_index")) {
      config.put("image_token_index", json.path("vocab_size").asInt(1) - 1);
    }
    Matcher grid = GRID.matcher(json.path("image_grid_pinpoints").asText().replace(" ", ""));
    if (grid.matches()) {
      ArrayNode canvases = config.putArray("image_grid_pinpoints");
      int side = vision.path("image_size").asInt();
      List<Integer> ends =
          List.of(1, 2, 3, 4).stream().map(i -> Integer.parseInt(grid.group(i))).toList();
      for (int rows = ends.get(0); rows <= ends.get(2); rows++) {
        for (int columns = ends.get(1); columns <= ends.get(3); columns++) {
          canvases.addArray().add(rows * side).add(columns * side);
        }
      }
    }
    return config;
  }
}
