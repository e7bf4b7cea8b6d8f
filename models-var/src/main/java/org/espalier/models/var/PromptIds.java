package org.espalier.models.var;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.espalier.api.DrawKey;
import org.espalier.api.EspalierException;
import org.espalier.api.Noise;
import org.espalier.noise.KeyedNoise;
import org.espalier.torch.TextTokenizer;
import org.espalier.weights.ModelJson;

/** How a prompt becomes the tokens before an image of Janus. Thread-safe. */
interface PromptIds extends AutoCloseable {
  /**
   * The tokens of a prompt, the mark of an image's beginning at the end.
   *
   * @param prompt its text
   * @throws EspalierException CONFIG where it is too long
   */
  long[] ids(String prompt);

  @Override
  void close();

  /**
   * A conversation in which the user asks for the prompt, as the published code writes it. Special
   * tokens that a prompt contains are text.
   *
   * @param tokenizer which it owns
   * @param begin number of the token that begins every text
   * @param image number of the token that begins an image
   * @param padding number of the token that stands for none
   */
  record Conversation(TextTokenizer tokenizer, long begin, long image, long padding)
      implements PromptIds {
    private static final String USER = "<|User|>";
    private static final String ASSISTANT = "<|Assistant|>";

    /**
     * Opens a tokenizer and finds its special tokens.
     *
     * @param directory of {@code tokenizer.json} and {@code tokenizer_config.json}
     * @param maxLength tokens of a prompt at most
     */
    static Conversation open(Path directory, int maxLength) {
      JsonNode config = ModelJson.optional(directory.resolve("tokenizer_config.json"));
      TextTokenizer tokenizer = TextTokenizer.open(directory.resolve("tokenizer.json"), maxLength);
      try {
        return new Conversation(
            tokenizer,
            special(tokenizer, token(config, "bos_token", "<｜begin▁of▁sentence｜>")),
            special(tokenizer, "<begin_of_image>"),
            special(tokenizer, token(config, "pad_token", "<｜▁pad▁｜>")));
      } catch (RuntimeException e) {
        tokenizer.close();
        throw e;
      }
    }

    private static String token(JsonNode config, String name, String otherwise) {
      JsonNode token = config.path(name);
      return token.isObject()
          ? token.path("content").asText(otherwise)
          : token.isTextual() ? token.asText() : otherwise;
    }

    private static long special(TextTokenizer tokenizer, String token) {
      Long number = tokenizer.markers().get(token);
      if (number == null) {
        throw EspalierException.config(
            "The tokenizer of janus has no special token " + token + ".",
            "Maybe the tokenizer.json is of another model.");
      }
      return number;
    }

    @Override
    public long[] ids(String prompt) {
      List<Long> ids = new ArrayList<>(List.of(begin));
      StringBuilder open = new StringBuilder();
      role(USER, open, ids);
      open.append(": ").append(prompt).append("\n\n");
      role(ASSISTANT, open, ids);
      open.append(':');
      flush(open, ids);
      ids.add(image);
      if (ids.size() > tokenizer.maxLength()) {
        throw EspalierException.config(
            "The prompt (%d characters) has more than the %d tokens that janus reads."
                .formatted(prompt.length(), tokenizer.maxLength()),
            "Maybe shorten it.");
      }
      return ids.stream().mapToLong(Long::longValue).toArray();
    }

    /** Who speaks: a token of its own where the tokenizer has one, else text. */
    private void role(String marker, StringBuilder open, List<Long> ids) {
      Long number = tokenizer.markers().get(marker);
      if (number == null) {
        open.append(marker);
      } else {
        flush(open, ids);
        ids.add(number);
      }
    }

    private void flush(StringBuilder open, List<Long> ids) {
      if (!open.isEmpty()) {
        for (long id : tokenizer.part(open.toString())) {
          ids.add(id);
        }
        open.setLength(0);
      }
    }

    @Override
    public void close() {
      tokenizer.close();
    }
  }

  /**
   * Noise for networks of random weights, as long for every prompt.
   *
   * @param tokens of every prompt
   * @param vocabulary numbers there are
   */
  record Untrained(int tokens, int vocabulary) implements PromptIds {
    @Override
    public long[] ids(String prompt) {
      Noise noise = new Noise.Keyed(DrawKey.root(0).child(prompt));
      float[] numbers = KeyedNoise.uniform(noise, 0, tokens);
      long[] ids = new long[tokens];
      for (int i = 0; i < tokens; i++) {
        ids[i] = (long) (numbers[i] * vocabulary);
      }
      return ids;
    }

    @Override
    public void close() {}
  }
}
