package org.espalier.torch;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * A {@code tokenizer.json} without its markers: the library would take {@code <|endoftext|>} in a
 * prompt for the end of the text. Without them a text is nothing but text, whatever it contains;
 * the post-processor knows its special tokens by number.
 *
 * @param json the file, without markers
 * @param markers numbers of the special tokens by what they look like
 */
record TokenizerFile(String json, Map<String, Long> markers) {
  private static final ObjectMapper MAPPER = new ObjectMapper();

  /** What is a marker though the file does not call it special, such as Qwen's think tags. */
  private static final Pattern MARKER = Pattern.compile("<[^<>\\s]+>|\\[[^\\[\\]\\s]+\\]");

  static TokenizerFile read(Path file) throws IOException {
    return of(Files.readString(file));
  }

  static TokenizerFile of(String text) throws JsonProcessingException {
    JsonNode root = MAPPER.readTree(text);
    Map<String, Long> markers = new LinkedHashMap<>();
    if (root instanceof ObjectNode object && root.path("added_tokens") instanceof ArrayNode added) {
      ArrayNode kept = MAPPER.createArrayNode();
      for (JsonNode token : added) {
        String content = token.path("content").asText();
        if (token.path("special").asBoolean() || MARKER.matcher(content).matches()) {
          markers.put(content, token.path("id").asLong());
        } else {
          kept.add(token);
        }
      }
      object.set("added_tokens", kept);
      if (root.path("model") instanceof ObjectNode model) {
        hide(model, markers);
      }
    }
    return new TokenizerFile(MAPPER.writeValueAsString(root), markers);
  }

  /**
   * A vocabulary that holds a marker as one of its pieces would find it in a text. Under a name
   * with a space, which no piece of a text has, it keeps its number and is never found.
   */
  private static void hide(ObjectNode model, Map<String, Long> markers) {
    if (model.path("vocab") instanceof ObjectNode vocabulary) {
      for (String marker : markers.keySet()) {
        JsonNode number = vocabulary.remove(marker);
        if (number != null) {
          vocabulary.set(hidden(marker), number);
        }
      }
    } else if (model.path("vocab") instanceof ArrayNode pieces) {
      for (JsonNode piece : pieces) {
        if (piece instanceof ArrayNode pair && markers.containsKey(pair.path(0).asText())) {
          pair.set(0, TextNode.valueOf(hidden(pair.get(0).asText())));
        }
      }
    }
    String unknown = model.path("unk_token").asText();
    if (markers.containsKey(unknown)) {
      model.put("unk_token", hidden(unknown));
    }
  }

  private static String hidden(String marker) {
    return marker + " (no text)";
  }
}
