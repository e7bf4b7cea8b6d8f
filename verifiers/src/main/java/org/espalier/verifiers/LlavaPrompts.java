package org.espalier.verifiers;

import java.util.Arrays;
import org.espalier.api.EspalierException;
import org.espalier.torch.TextTokenizer;
import org.espalier.torch.Tokens;

/** What LLaVA-OneVision is asked, in the form of its chat. */
final class LlavaPrompts {
  // The chat template of Qwen2 for one user message with an image, up to the answer.
  private static final String BEFORE = "<|im_start|>user\n<image>\n";
  private static final String AFTER = "<|im_end|>\n<|im_start|>assistant\n";

  private final LlavaOnevisionConfig config;
  private final TextTokenizer tokenizer;
  private final int imageToken;
  private final long[] yes;
  private final long[] no;

  LlavaPrompts(LlavaOnevisionConfig config, TextTokenizer tokenizer, int imageToken) {
    this.config = config;
    this.tokenizer = tokenizer;
    this.imageToken = imageToken;
    this.yes = answer(config.yes());
    this.no = answer(config.no());
    if (Arrays.equals(yes, no)) {
      throw EspalierException.config(
          "The tokenizer does not tell the answers \""
              + config.yes()
              + "\" and \""
              + config.no()
              + "\" apart.",
          "Maybe tokenizer.json is another model's.");
    }
    if (images(read("a cat")) != 1) {
      throw EspalierException.config(
          "The tokenizer does not turn <image> into the model's image token (" + imageToken + ").",
          "Maybe tokenizer.json is another model's.");
    }
  }

  private long[] answer(String text) {
    long[] ids = tokenizer.encode(text).ids();
    if (ids.length == 0) {
      throw EspalierException.config(
          "The answer \"" + text + "\" has no tokens.", "Maybe use Yes and No.");
    }
    return ids;
  }

  /** The tokens of the question, with one for the image. */
  Tokens read(String prompt) {
    return tokenizer.encode(BEFORE + config.ask(prompt) + AFTER);
  }

  int images(Tokens tokens) {
    return (int) Arrays.stream(tokens.ids()).filter(id -> id == imageToken).count();
  }

  /**
   * The tokens with as many for the image as it takes.
   *
   * @param tokens with one
   * @param places of the image
   */
  long[] expand(Tokens tokens, int places) {
    return Arrays.stream(tokens.ids())
        .flatMap(
            id -> {
              long[] ids = new long[id == imageToken ? places : 1];
              Arrays.fill(ids, id);
              return Arrays.stream(ids);
            })
        .toArray();
  }

  long[] yes() {
    return yes;
  }

  long[] no() {
    return no;
  }
}
