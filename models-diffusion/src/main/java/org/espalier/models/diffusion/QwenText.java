package org.espalier.models.diffusion;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.espalier.api.EspalierException;
import org.espalier.torch.Qwen3Config;
import org.espalier.torch.Qwen3Encoder;
import org.espalier.torch.TextTokenizer;
import org.espalier.torch.Tokens;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.WeightSource;
import org.espalier.weights.ModelJson;
import org.jspecify.annotations.Nullable;

/**
 * How FLUX.2-klein and Z-Image read prompts: as the message of a user in Qwen3's chat, by states of
 * the language model.
 */
final class QwenText implements FlowText {
  /** The token by which Qwen pads. */
  private static final String PADDING = "<|endoftext|>";

  /**
   * Where a Qwen3 encoder lies.
   *
   * @param encoder directory with its configuration and weights
   * @param tokenizer its {@code tokenizer.json}
   * @param config its architecture
   */
  record Files(Path encoder, Path tokenizer, Qwen3Config config) {
    /**
     * Finds an encoder.
     *
     * @param files of the model
     * @param encoder the option textEncoder
     * @param tokenizer the option tokenizer
     */
    static Files locate(PipelineFiles files, @Nullable String encoder, @Nullable String tokenizer) {
      Path home = files.part("text encoder (Qwen3)", "textEncoder", encoder, "text_encoder");
      return new Files(
          home,
          files.tokenizer("tokenizer", tokenizer, "tokenizer", home),
          Qwen3Config.read(home.resolve("config.json")));
    }

    /**
     * Refuses an encoder of another width.
     *
     * @param taken layers whose states make a token
     * @param width that the transformer reads
     * @param advice which encoder it wants
     */
    void requireWidth(List<Integer> taken, int width, String advice) {
      int given = config.hiddenSize() * taken.size();
      if (given != width) {
        throw EspalierException.config(
            "The transformer reads texts of width %d, but the encoder %s gives %d (%d x %d)."
                .formatted(width, encoder, given, taken.size(), config.hiddenSize()),
            "Maybe textEncoder is of another model; " + advice + ".");
      }
    }

    /**
     * Opens and checks the weights; the loader loads them.
     *
     * @param open keeps them open
     * @param taken layers whose states make a token
     * @param length tokens at which texts are cut
     * @param thinking as for the text
     * @param padded as for the text
     */
    FlowBlueprint.Loader<FlowText> loader(
        OpenWeights open, List<Integer> taken, int length, boolean thinking, boolean padded) {
      WeightSource weights = open.open(encoder, Qwen3Encoder::layout);
      config.weights(taken).check(weights);
      return (parts, device) -> {
        TextTokenizer opened = parts.keep(TextTokenizer.open(tokenizer, length));
        Qwen3Encoder loaded = parts.keep(new Qwen3Encoder(config, taken, weights, device));
        return new QwenText(tokenizer, opened, loaded, thinking, padded);
      };
    }
  }

  private final Path file;
  private final TextTokenizer tokenizer;
  private final Map<String, Long> specials;
  private final Qwen3Encoder encoder;
  private final String opening;
  private final boolean padded;
  private volatile @Nullable Known last;

  /** The tokens of the prompt that was asked for last: quotes ask again and again. */
  private record Known(String prompt, Tokens tokens) {}

  /**
   * An encoder with its tokenizer, which it owns.
   *
   * @param file where the tokenizer was read from
   * @param tokenizer cuts at the length of the text
   * @param encoder gives the states
   * @param thinking whether the answer may begin with thoughts; else an empty thought is put there
   * @param padded whether texts are padded to the tokenizer's limit, and padding is encoded too
   */
  QwenText(
      Path file, TextTokenizer tokenizer, Qwen3Encoder encoder, boolean thinking, boolean padded) {
    this.file = file;
    this.tokenizer = tokenizer;
    this.specials = specials(file);
    this.encoder = encoder;
    this.opening =
        "<|im_end|>\n<|im_start|>assistant\n" + (thinking ? "" : "<think>\n\n</think>\n\n");
    this.padded = padded;
  }

  private static Map<String, Long> specials(Path file) {
    Map<String, Long> specials = new LinkedHashMap<>();
    for (JsonNode token : ModelJson.require(file).path("added_tokens")) {
      if (token.path("special").asBoolean()) {
        specials.put(token.path("content").asText(), token.path("id").asLong());
      }
    }
    return specials;
  }

  /** The tokens that the encoder reads. */
  private Tokens read(String prompt) {
    Known known = last;
    if (known != null && known.prompt.equals(prompt)) {
      return known.tokens;
    }
    for (String special : specials.keySet()) {
      if (prompt.contains(special)) {
        throw EspalierException.config(
            "The prompt \"%s\" contains the special token %s of the text encoder."
                .formatted(prompt, special),
            "Maybe remove it: inside a prompt it would end the message.");
      }
    }
    Tokens tokens = tokenizer.encode("<|im_start|>user\n" + prompt + opening);
    if (padded) {
      Long padding = specials.get(PADDING);
      if (padding == null) {
        throw EspalierException.config(
            "The tokenizer " + file + " lacks the special token " + PADDING + ".",
            "Maybe it is not Qwen3's.");
      }
      tokens = tokens.padded(tokenizer.maxLength(), padding);
    }
    last = new Known(prompt, tokens);
    return tokens;
  }

  @Override
  public FlowConditioning encode(String prompt) {
    Tokens tokens = read(prompt);
    return new FlowConditioning(
        List.of(encoder.encode(tokens)), tokens.ids().length, tokens.truncated());
  }

  @Override
  public int tokens(String prompt) {
    return padded ? tokenizer.maxLength() : read(prompt).ids().length;
  }

  @Override
  public long flops(String prompt) {
    return encoder.flops(tokens(prompt));
  }

  @Override
  public long countedFlops() {
    return encoder.flops();
  }

  @Override
  public List<TorchProgram> programs() {
    return List.of(encoder.program());
  }

  @Override
  public void close() {
    try (tokenizer;
        encoder) {
      // Both are closed even where one fails.
    }
  }
}
