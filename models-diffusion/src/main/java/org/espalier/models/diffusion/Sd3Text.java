package org.espalier.models.diffusion;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.espalier.api.EspalierException;
import org.espalier.torch.ClipTextEncoder;
import org.espalier.torch.T5Encoder;
import org.espalier.torch.TextTokenizer;
import org.espalier.torch.Tokens;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.TorchTensor;
import org.espalier.weights.ModelJson;

/**
 * How Stable Diffusion 3 reads prompts. The sequence: the states before the last layer of two CLIP
 * towers side by side, filled up with zeros to the width of T5, and behind them T5's tokens;
 * padding is seen by all three. The pooled vector: the projected ones of both towers, side by side.
 */
final class Sd3Text implements FlowText {
  /**
   * A CLIP tower.
   *
   * @param tokenizer cuts at the tower's length
   * @param padding number of the token by which texts are padded to that length
   * @param encoder with its projection
   */
  record Tower(TextTokenizer tokenizer, long padding, ClipTextEncoder encoder)
      implements AutoCloseable {
    Tokens read(String prompt) {
      return tokenizer.encode(prompt).padded(tokenizer.maxLength(), padding);
    }

    @Override
    public void close() {
      try (tokenizer;
          encoder) {
        // Both are closed even where one fails.
      }
    }
  }

  private final Tower large;
  private final Tower huge;
  private final TextTokenizer t5Tokenizer;
  private final T5Encoder t5;
  private final int length;
  private final long flops;

  /**
   * Encoders, which it owns.
   *
   * @param large CLIP-L
   * @param huge CLIP-G
   * @param t5Tokenizer cuts at the length of T5's sequence
   * @param t5 the third encoder
   */
  Sd3Text(Tower large, Tower huge, TextTokenizer t5Tokenizer, T5Encoder t5) {
    this.large = large;
    this.huge = huge;
    this.t5Tokenizer = t5Tokenizer;
    this.t5 = t5;
    int clip = large.tokenizer.maxLength();
    this.length = clip + t5Tokenizer.maxLength();
    this.flops =
        large.encoder.projectedFlops(clip)
            + huge.encoder.projectedFlops(clip)
            + t5.config().flops(t5Tokenizer.maxLength());
  }

  /**
   * The number of the token by which a tokenizer pads.
   *
   * @param tokenizer a {@code tokenizer.json} or {@code vocab.json}, beside which {@code
   *     tokenizer_config.json} may name the token
   * @param usual the token where none is named
   * @throws EspalierException CONFIG where the vocabulary lacks it
   */
  static long padding(Path tokenizer, String usual) {
    JsonNode named =
        ModelJson.optional(tokenizer.resolveSibling("tokenizer_config.json")).path("pad_token");
    String token = named.isObject() ? named.path("content").asText(usual) : named.asText(usual);
    JsonNode file = ModelJson.require(tokenizer);
    for (JsonNode added : file.path("added_tokens")) {
      if (added.path("content").asText().equals(token)) {
        return added.path("id").asLong();
      }
    }
    JsonNode id =
        file.has("model") ? file.path("model").path("vocab").path(token) : file.path(token);
    if (!id.isIntegralNumber()) {
      throw EspalierException.config(
          "The tokenizer " + tokenizer + " lacks the padding token " + token + ".",
          "Maybe it belongs to another model.");
    }
    return id.asLong();
  }

  @Override
  public FlowConditioning encode(String prompt) {
    Tokens first = large.read(prompt);
    Tokens second = huge.read(prompt);
    Tokens words = t5Tokenizer.encode(prompt);
    Tokens padded = words.padded(t5Tokenizer.maxLength(), t5.config().padTokenId());
    float[] all = new float[padded.ids().length];
    Arrays.fill(all, 1);
    List<TorchTensor> left = large.encoder.encodeProjected(first);
    List<TorchTensor> right = List.of();
    try (TorchTensor sequence = t5.encode(padded, all)) {
      right = huge.encoder.encodeProjected(second);
      int width = t5.config().dModel();
      float[] values = new float[length * width];
      int clip = large.tokenizer.maxLength();
      place(left.get(0), values, width, 0);
      place(right.get(0), values, width, left.get(0).size(2));
      System.arraycopy(sequence.toFloats(), 0, values, clip * width, all.length * width);
      float[] one = left.get(1).toFloats();
      float[] two = right.get(1).toFloats();
      float[] pooled = Arrays.copyOf(one, one.length + two.length);
      System.arraycopy(two, 0, pooled, one.length, two.length);
      return new FlowConditioning(
          List.of(
              TorchTensor.of(t5.program().device(), values, 1, length, width),
              TorchTensor.of(t5.program().device(), pooled, 1, pooled.length)),
          length,
          first.truncated() || second.truncated() || words.truncated());
    } finally {
      left.forEach(TorchTensor::close);
      right.forEach(TorchTensor::close);
    }
  }

  private static void place(TorchTensor states, float[] into, int width, int at) {
    float[] values = states.toFloats();
    int own = states.size(2);
    for (int i = 0; i < states.size(1); i++) {
      System.arraycopy(values, i * own, into, i * width + at, own);
    }
  }

  @Override
  public int tokens(String prompt) {
    return length;
  }

  @Override
  public long flops(String prompt) {
    return flops;
  }

  @Override
  public long countedFlops() {
    return large.encoder.flops() + huge.encoder.flops() + t5.flops();
  }

  @Override
  public List<TorchProgram> programs() {
    return List.of(large.encoder.program(), huge.encoder.program(), t5.program());
  }

  @Override
  public void close() {
    try (large;
        huge;
        t5Tokenizer;
        t5) {
      // All are closed even where one fails.
    }
  }
}
