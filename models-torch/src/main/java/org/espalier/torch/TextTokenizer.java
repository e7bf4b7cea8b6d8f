package org.espalier.torch;

import ai.djl.engine.EngineException;
import ai.djl.huggingface.tokenizers.Encoding;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.espalier.api.EspalierException;
import org.espalier.weights.ReadLog;

/**
 * Turns text into token numbers by a {@code tokenizer.json} of Hugging Face <a
 * href="https://github.com/huggingface/tokenizers">tokenizers</a> (WordLevel, BPE, WordPiece,
 * Unigram of SentencePiece). Special tokens are put round a text as the file says; one that a text
 * contains, such as {@code <|endoftext|>}, is text. Works offline; thread-safe.
 */
public final class TextTokenizer implements AutoCloseable {
  static {
    // Beside a GPU the library would download a CUDA build of itself, which tokenizers do not need.
    if (System.getenv("RUST_FLAVOR") == null && System.getProperty("RUST_FLAVOR") == null) {
      System.setProperty("RUST_FLAVOR", "cpu");
    }
  }

  private final HuggingFaceTokenizer tokenizer;
  private final int maxLength;
  private final Map<String, Long> markers;

  private TextTokenizer(HuggingFaceTokenizer tokenizer, int maxLength, Map<String, Long> markers) {
    this.tokenizer = tokenizer;
    this.maxLength = maxLength;
    this.markers = Map.copyOf(markers);
  }

  /**
   * Reads a tokenizer.
   *
   * @param file a {@code tokenizer.json}
   * @param maxLength tokens, special ones included, beyond which text is cut off; positive
   * @throws EspalierException CONFIG where it is missing or malformed
   */
  public static TextTokenizer open(Path file, int maxLength) {
    if (!Files.isRegularFile(file)) {
      throw EspalierException.config(
          "The tokenizer (" + file + ") does not exist.",
          "Maybe the model was saved without its fast tokenizer; save tokenizer.json beside it.");
    }
    if (maxLength <= 0) {
      throw EspalierException.config(
          "The maximum text length (" + maxLength + ") must be positive.",
          "Maybe set the text length of the model.");
    }
    ReadLog.file(file, "tokenizer");
    System.setProperty("OPT_OUT_TRACKING", "true");
    NativeLibraries.place();
    try {
      TokenizerFile read = TokenizerFile.read(file);
      Map<String, String> options =
          Map.of(
              "addSpecialTokens", "true",
              "padding", "false",
              "truncation", "true",
              "maxLength", String.valueOf(maxLength));
      return new TextTokenizer(
          HuggingFaceTokenizer.newInstance(
              new ByteArrayInputStream(read.json().getBytes(StandardCharsets.UTF_8)), options),
          maxLength,
          read.markers());
    } catch (IOException | RuntimeException e) {
      throw new EspalierException(
          EspalierException.Code.CONFIG,
          "The tokenizer " + file + " cannot be read: " + e.getMessage() + ".",
          "Maybe download it again.",
          e);
    }
  }

  /** Tokens, special ones included, beyond which text is cut off. */
  public int maxLength() {
    return maxLength;
  }

  /**
   * Tokenizes a text.
   *
   * @param text any text; may be empty
   */
  public Tokens encode(String text) {
    try {
      Encoding encoding = tokenizer.encode(text, true, false);
      return new Tokens(encoding.getIds(), encoding.getIds().length, encoding.exceedMaxLength());
    } catch (EngineException e) {
      throw new EspalierException(
          EspalierException.Code.NATIVE,
          "The text \"" + text + "\" cannot be tokenized: " + e.getMessage() + ".",
          null,
          e);
    }
  }

  /**
   * Tokenizes a part of a text that is put together elsewhere: without special tokens round it.
   *
   * @param text any text; cut off at {@link #maxLength} tokens
   */
  public long[] part(String text) {
    return tokenizer.encode(text, false, false).getIds();
  }

  /** Numbers of the special tokens by what they look like, such as {@code <|im_end|>}. */
  public Map<String, Long> markers() {
    return markers;
  }

  @Override
  public void close() {
    tokenizer.close();
  }
}
