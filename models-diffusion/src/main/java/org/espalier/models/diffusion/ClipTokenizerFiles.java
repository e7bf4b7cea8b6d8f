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
  private static final String WORDS =
      "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";

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

  private static ObjectNode convert(Path vocabFile, Path mergesFile) throws IOException {
    ObjectMapper mapper = new ObjectMapper();
    JsonNode vocab = ModelJson.require(vocabFile);
    for (String special : List.of(BEGIN, END)) {
      if (!vocab.path(special).isInt()) {
        throw EspalierException.config(
            "The vocabulary " + vocabFile + " lacks the token " + special + ".",
            "Maybe it is not CLIP's.");
      }
    }
    ObjectNode tokenizer = mapper.createObjectNode().put("version", "1.0");
    ArrayNode added = tokenizer.putArray("added_tokens");
    for (String special : List.of(BEGIN, END)) {
      added
          .addObject()
          .put("id", vocab.get(special).asInt())
          .put("content", special)
          .put("single_word", false)
          .put("lstrip", false)
          .put("rstrip", false)
          .put("normalized", true)
          .put("special", true);
    }
    ObjectNode normalizer = tokenizer.putObject("normalizer").put("type", "Sequence");
    ArrayNode normalizers = normalizer.putArray("normalizers");
    normalizers.addObject().put("type", "NFC");
    ObjectNode spaces = normalizers.addObject().put("type", "Replace").put("content", " ");
    spaces.putObject("pattern").put("Regex", "\\s+");
    normalizers.addObject().put("type", "Lowercase");
    ObjectNode splitter = tokenizer.putObject("pre_tokenizer").put("type", "Sequence");
    ArrayNode splitters = splitter.putArray("pretokenizers");
    ObjectNode words =
        splitters.addObject().put("type", "Split").put("behavior", "Removed").put("invert", true);
    words.putObject("pattern").put("Regex", WORDS);
    splitters
        .addObject()
        .put("type", "ByteLevel")
        .put("add_prefix_space", false)
        .put("trim_offsets", true)
        .put("use_regex", true);
    ObjectNode template = tokenizer.putObject("post_processor").put("type", "TemplateProcessing");
    sequence(template.putArray("single"), "A");
    sequence(template.putArray("pair"), "B");
    ObjectNode specials = template.putObject("special_tokens");
    for (String special : List.of(BEGIN, END)) {
      ObjectNode entry = specials.putObject(special).put("id", special);
      entry.putArray("ids").add(vocab.get(special).asInt());
      entry.putArray("tokens").add(special);
    }
    ObjectNode model =
        tokenizer
            .putObject("model")
            .put("type", "BPE")
            .put("unk_token", END)
            .put("continuing_subword_prefix", "")
            .put("end_of_word_suffix", "</w>")
            .put("fuse_unk", false);
    model.set("vocab", vocab);
    ArrayNode merges = model.putArray("merges");
    for (String line : Files.readAllLines(mergesFile, StandardCharsets.UTF_8)) {
      if (!line.startsWith("#version") && !line.isBlank()) {
        merges.add(line);
      }
    }
    return tokenizer;
  }

  private static void sequence(ArrayNode template, String last) {
    if (last.equals("B")) {
      template.addObject().putObject("Sequence").put("id", "A").put("type_id", 0);
    }
    template.addObject().putObject("SpecialToken").put("id", BEGIN).put("type_id", 0);
    template.addObject().putObject("Sequence").put("id", last).put("type_id", 0);
    template.addObject().putObject("SpecialToken").put("id", END).put("type_id", 0);
  }
}
