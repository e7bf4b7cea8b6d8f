package org.espalier.models.var;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.Arrays;
import org.espalier.api.DrawKey;
import org.espalier.api.EspalierException;
import org.espalier.api.Noise;
import org.espalier.noise.KeyedNoise;
import org.espalier.torch.TextTokenizer;
import org.espalier.torch.Tokens;

/** How a prompt becomes the tokens before an image of Janus. Thread-safe. */
interface PromptIds extends AutoCloseable {
  /**
   * The tokens of a prompt, the mark of an image's beginning at the end.
   *
   * @param prompt its text
   * @throws EspalierException CONFIG where it holds a special token or is too long
   */
  long[] ids(String prompt);

  @Override
  void close();

  /**
   * A conversation in which the user asks for the prompt, as the published code writes it.
   *
   * @param tokenizer which it owns
   * @param begin number of the token that begins every text
   * @param image number of the token that begins an image
   * @param padding number of the token that stands for none
   */
  record Conversation(TextTokenizer tokenizer, long begin, long image, long padding)
      implements PromptIds {
    private static final String IMAGE = "<begin_of_image>";

    /**
     * Opens a tokenizer and finds its special tokens.
     *
     * @param directory of {@code tokenizer.json} and {@code tokenizer_config.json}
     * @param maxLength tokens of a prompt at most
     */
    static Conversation open(Path directory, int maxLength) {
      JsonNode config = InfinityLoader.defaults(directory.resolve("tokenizer_config.json"));
      TextTokenizer tokenizer = TextTokenizer.open(directory.resolve("tokenizer.json"), maxLength);
      try {
        return new Conversation(
            tokenizer,
            special(tokenizer, token(config, "bos_token", "<｜begin▁of▁sentence｜>")),
            special(tokenizer, IMAGE),
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

    /** The number of a token that a tokenizer may put the beginning of texts before. */
    private static long special(TextTokenizer tokenizer, String token) {
      Tokens tokens = tokenizer.encode(token);
      if (tokens.length() < 1 || tokens.length() > 2) {
        throw EspalierException.config(
            "The tokenizer of janus has no token " + token + ".",
            "Maybe the tokenizer.json is of another model.");
      }
      return tokens.ids()[tokens.length() - 1];
    }

    @Override
    public long[] ids(String prompt) {
      Tokens tokens = tokenizer.encode("<|User|>: " + prompt + "\n\n<|Assistant|>:" + IMAGE);
      if (tokens.truncated()) {
        throw EspalierException.config(
            "The prompt (%d characters) has more than the %d tokens that janus reads."
                .formatted(prompt.length(), tokenizer.maxLength()),
            "Maybe shorten it.");
      }
      long[] ids = Arrays.copyOf(tokens.ids(), tokens.length());
      if (ids[0] != begin) { // some tokenizer.json leave it to their reader
        long[] longer = new long[ids.length + 1];
        longer[0] = begin;
        System.arraycopy(ids, 0, longer, 1, ids.length);
        ids = longer;
      }
      for (int i = 1; i < ids.length; i++) {
        if (ids[i] == begin || ids[i] == padding || ids[i] == image && i + 1 < ids.length) {
          throw EspalierException.config(
              "The prompt (\"" + prompt + "\") holds a special token of janus.",
              "Maybe write it in other words.");
        }
      }
      return ids;
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
