package org.espalier.verifiers;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.espalier.spi.LoadContext;
import org.espalier.spi.RgbImage;
import org.espalier.torch.ParityCase;
import org.espalier.torch.SafetensorsFile;
import org.espalier.torch.TensorInfo;
import org.espalier.weights.ModelJson;

/**
 * Lays the small random weights of the parity cases out as published checkpoints are, with a
 * tokenizer whose words are {@code w0}, {@code w1}, ...
 */
final class TinyCheckpoints {
  private static final ObjectMapper MAPPER = new ObjectMapper();

  private TinyCheckpoints() {}

  static LoadContext context(Path directory) {
    return new LoadContext(
        "cpu",
        directory,
        spec -> {
          throw new IllegalStateException("no other verifiers here: " + spec);
        });
  }

  /** The module's own case of a kind. */
  static ParityCase parity(String name) {
    try {
      return new ParityCase(
          name,
          Path.of(Objects.requireNonNull(TinyCheckpoints.class.getResource("/parity")).toURI()));
    } catch (java.net.URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  /** A field of a golden file's metadata that must be there. */
  static String metadata(SafetensorsFile golden, String name) {
    return Objects.requireNonNull(golden.metadata().get(name), name);
  }

  /** A picture (h, w, rgb) of a golden file. */
  static RgbImage picture(SafetensorsFile golden, String name) {
    TensorInfo info = golden.info(name);
    byte[] rgb = new byte[Math.toIntExact(info.bytes())];
    golden.slice(name, 0, rgb.length).get(rgb);
    return new RgbImage(info.size(1), info.size(0), rgb);
  }

  static Path clip(Path directory) {
    ParityCase parity = parity("clip-tiny-a");
    try (SafetensorsFile golden = parity.golden()) {
      String config = metadata(golden, "config");
      JsonNode text = ModelJson.parse(config).get("text_config");
      write(directory, "config.json", config);
      copy(parity, "weights", directory.resolve("model.safetensors"));
      write(
          directory,
          "tokenizer.json",
          tokenizer(
              text.get("vocab_size").asInt(),
              Map.of(
                  "<start>", text.get("bos_token_id").asInt(),
                  "<end>", text.get("eos_token_id").asInt()),
              "<start>",
              "<end>"));
    }
    return directory;
  }

  static Path imageReward(Path directory) {
    ParityCase parity = parity("imagereward-tiny-a");
    try (SafetensorsFile golden = parity.golden()) {
      String bert = metadata(golden, "bert");
      write(
          directory,
          "config.json",
          "{\"vit\": " + metadata(golden, "vit") + ", \"bert\": " + bert + "}");
      copy(parity, "weights", directory.resolve("model.safetensors"));
      int size = ModelJson.parse(bert).get("vocab_size").asInt();
      write(
          directory,
          "tokenizer.json",
          tokenizer(size, Map.of("[CLS]", size - 2, "[SEP]", size - 1), "[CLS]", "[SEP]"));
    }
    return directory;
  }

  static Path mask2former(Path directory) {
    ParityCase parity = parity("mask2former-tiny-a");
    try (SafetensorsFile golden = parity.golden()) {
      write(directory, "config.json", metadata(golden, "config"));
      write(directory, "preprocessor_config.json", metadata(golden, "preprocessor_config"));
      copy(parity, "weights", directory.resolve("model.safetensors"));
    }
    return directory;
  }

  static Path llava(Path directory) {
    ParityCase parity = parity("llava-onevision-tiny-a");
    try (SafetensorsFile golden = parity.golden()) {
      String config = metadata(golden, "config");
      JsonNode json = ModelJson.parse(config);
      write(directory, "config.json", config);
      copy(parity, "weights", directory.resolve("model.safetensors"));
      Map<String, Integer> words = new LinkedHashMap<>();
      words.put("<image>", json.get("image_token_index").asInt());
      words.put("<|im_start|>", 120);
      words.put("<|im_end|>", 121);
      words.put("Yes", 100);
      words.put("No", 101);
      addDigits(words, 60);
      write(
          directory,
          "tokenizer.json",
          tokenizer(json.get("text_config").get("vocab_size").asInt(), words, "", ""));
    }
    return directory;
  }

  /**
   * Tokens of the chat of Qwen2.5-VL without image and question, as {@link #tokenizer} cuts it: the
   * six words of the system message and two of the roles, all unknown, and seven markers.
   */
  static final int QWEN2_5_CHAT_TOKENS = 15;

  static Path qwenVl(String name, Path directory) {
    ParityCase parity = parity(name);
    try (SafetensorsFile golden = parity.golden()) {
      String config = metadata(golden, "config");
      write(directory, "config.json", config);
      write(directory, "preprocessor_config.json", metadata(golden, "preprocessor_config"));
      copy(parity, "weights", directory.resolve("model.safetensors"));
      Map<String, Integer> words = new LinkedHashMap<>();
      words.put("<|im_start|>", 90);
      words.put("<|im_end|>", 91);
      words.put("<|vision_start|>", 92);
      words.put("<|vision_end|>", 93);
      words.put("<|image_pad|>", 95);
      words.put("Yes", 11);
      words.put("No", 37);
      addDigits(words, 60);
      write(directory, "tokenizer.json", tokenizer(98, words, "", ""));
    }
    return directory;
  }

  private static void addDigits(Map<String, Integer> words, int first) {
    for (int digit = 0; digit < 10; digit++) {
      words.put(String.valueOf(digit), first + digit);
    }
    words.put(".", first + 10);
  }

  /**
   * A word-level tokenizer.
   *
   * @param size of the vocabulary
   * @param special tokens in brackets, and words, with their numbers; the other numbers n are words
   *     "wn"
   * @param first token put before each text
   * @param last token put behind each text
   */
  static String tokenizer(int size, Map<String, Integer> special, String first, String last) {
    ObjectNode root = MAPPER.createObjectNode();
    root.put("version", "1.0");
    root.putNull("truncation").putNull("padding").putNull("normalizer").putNull("decoder");
    ArrayNode added = root.putArray("added_tokens");
    ObjectNode vocabulary = MAPPER.createObjectNode();
    for (int i = 0; i < size; i++) {
      vocabulary.put("w" + i, i);
    }
    special.forEach(
        (token, id) -> {
          vocabulary.remove("w" + id);
          vocabulary.put(token, id.intValue());
          if (!token.matches("[<\\[].*")) {
            return; // a word
          }
          ObjectNode entry = added.addObject();
          entry.put("id", id.intValue()).put("content", token).put("special", true);
          for (String flag : new String[] {"single_word", "lstrip", "rstrip", "normalized"}) {
            entry.put(flag, false);
          }
        });
    root.putObject("pre_tokenizer").put("type", "WhitespaceSplit");
    ObjectNode model = root.putObject("model");
    model.put("type", "WordLevel").put("unk_token", "w1").set("vocab", vocabulary);
    if (first.isEmpty()) {
      root.putNull("post_processor");
      return root.toString();
    }
    ObjectNode post = root.putObject("post_processor");
    post.put("type", "TemplateProcessing");
    ArrayNode single = post.putArray("single");
    token(single, "SpecialToken", first);
    token(single, "Sequence", "A");
    token(single, "SpecialToken", last);
    ArrayNode pair = post.putArray("pair");
    token(pair, "Sequence", "A");
    token(pair, "Sequence", "B");
    ObjectNode tokens = post.putObject("special_tokens");
    for (String name : new String[] {first, last}) {
      ObjectNode entry = tokens.putObject(name);
      entry.put("id", name);
      entry.putArray("ids").add(Objects.requireNonNull(special.get(name)).intValue());
      entry.putArray("tokens").add(name);
    }
    return root.toString();
  }

  private static void token(ArrayNode template, String kind, String id) {
    template.addObject().putObject(kind).put("id", id).put("type_id", 0);
  }

  static void copy(ParityCase parity, String part, Path to) {
    try {
      Files.createDirectories(to.getParent());
      Files.copy(parity.directory().resolve(parity.name() + "." + part + ".safetensors"), to);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static void write(Path directory, String name, String content) {
    try {
      Files.createDirectories(directory);
      Files.writeString(directory.resolve(name), content);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
