package org.espalier.models.diffusion;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.espalier.api.EspalierException;
import org.espalier.torch.TextTokenizer;
import org.espalier.weights.ModelJson;

/**
 * CLIP's tokenizer. FLUX.1's repositories hold it in the old form, {@code vocab.json} and {@code
 * merges.txt}; the rules that this form leaves to code (lower case, the word pattern, the
 * end-of-word mark, begin and end of text) are those of <a
 * href="https://github.com/openai/CLIP/blob/main/clip/simple_tokenizer.py">simple_tokenizer.py</a>.
 */
final class ClipTokenizerFiles {
  private static final String BEGIN = "<|startoftext|>";
  private static final String END = "<|endoftext|>";

  /** The tokenizer without its vocabulary, merges and numbers. */
  private static final String RULES = "clip_tokenizer.json";

  private ClipTokenizerFiles() {}

  /**
   * Opens a tokenizer of either form.
   *
   * @param file a {@code tokenizer.json}, or a {@code vocab.json} with {@code merges.txt} beside it
   * @param maxLength tokens, special ones included, beyond which text is cut off
   */
  static TextTokenizer open(Path file, int maxLength) {
    if (!file.endsWith("vocab.json")) {
      return TextTokenizer.open(file, maxLength);
    }
    try {
      Path converted = Files.createTempFile("clip-tokenizer", ".json");
      try {
        Files.writeString(converted, convert(file, file.resolveSibling("merges.txt")).toString());
        return TextTokenizer.open(converted, maxLength);
      } finally {
        Files.deleteIfExists(converted);
      }
    } catch (IOException e) {
      throw new EspalierException(
          EspalierException.Code.CONFIG,
          "The tokenizer " + file + " cannot be read: " + e.getMessage() + ".",
          "Maybe download vocab.json and merges.txt again.",
          e);
    }
  }

  private static JsonNode convert(Path vocabFile, Path mergesFile) throws IOException {
    ObjectMapper mapper = new ObjectMapper();
    JsonNode vocab = ModelJson.require(vocabFile);
    for (String special : List.of(BEGIN, END)) {
      if (!vocab.path(special).isInt()) {
        throw EspalierException.config(
            "The vocabulary " + vocabFile + " lacks the token " + special + ".",
            "Maybe it is not CLIP's.");
      }
    }
    JsonNode tokenizer = mapper.readTree(ClipTokenizerFiles.class.getResource(RULES));
    for (JsonNode added : tokenizer.get("added_tokens")) {
      ((ObjectNode) added).set("id", vocab.get(added.get("content").asText()));
    }
    for (JsonNode special : tokenizer.get("post_processor").get("special_tokens")) {
      ((ObjectNode) special).putArray("ids").add(vocab.get(special.get("id").asText()));
    }
    ObjectNode model = (ObjectNode) tokenizer.get("model");
    model.set("vocab", vocab);
    ArrayNode merges = model.putArray("merges");
    for (String line : Files.readAllLines(mergesFile, StandardCharsets.UTF_8)) {
      if (!line.startsWith("#version") && !line.isBlank()) {
        merges.add(line);
      }
    }
    return tokenizer;
  }
}
