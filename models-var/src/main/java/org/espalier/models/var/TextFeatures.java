package org.espalier.models.var;

import org.espalier.api.DrawKey;
import org.espalier.api.Noise;
import org.espalier.noise.KeyedNoise;
import org.espalier.torch.Device;
import org.espalier.torch.T5Encoder;
import org.espalier.torch.TextTokenizer;
import org.espalier.torch.TorchTensor;

/** How a prompt becomes what the transformer reads. Thread-safe. */
interface TextFeatures extends AutoCloseable {
  /**
   * Number of tokens of a text.
   *
   * @param text of a prompt
   */
  int tokens(String text);

  /**
   * Floating-point operations of encoding.
   *
   * @param tokens of the text
   */
  long flops(int tokens);

  /** Floating-point operations since it was loaded, counted at the native call. */
  long flops();

  /**
   * Encodes a text to (1, tokens, channels); to be closed by the caller.
   *
   * @param text of a prompt
   */
  TorchTensor encode(String text);

  /** What tells one encoder's program from another's. */
  String sha256();

  @Override
  void close();

  /**
   * A T5 encoder with its tokenizer, which it owns.
   *
   * @param tokenizer of the encoder
   * @param encoder of the text
   */
  record T5(TextTokenizer tokenizer, T5Encoder encoder) implements TextFeatures {
    @Override
    public int tokens(String text) {
      return tokenizer.encode(text).length();
    }

    @Override
    public long flops(int tokens) {
      return encoder.config().flops(tokens);
    }

    @Override
    public long flops() {
      return encoder.flops();
    }

    @Override
    public TorchTensor encode(String text) {
      return encoder.encode(tokenizer.encode(text));
    }

    @Override
    public String sha256() {
      return encoder.program().sha256();
    }

    @Override
    public void close() {
      try (tokenizer;
          encoder) {
        // Both are closed even where one fails.
      }
    }
  }

  /**
   * Noise for networks of random weights, as long for every prompt.
   *
   * @param device where
   * @param tokens of every text
   * @param channels of a token
   */
  record Untrained(Device device, int tokens, int channels) implements TextFeatures {
    @Override
    public int tokens(String text) {
      return tokens;
    }

    @Override
    public long flops(int count) {
      return 0;
    }

    @Override
    public long flops() {
      return 0;
    }

    @Override
    public TorchTensor encode(String text) {
      DrawKey key = DrawKey.root(0).child(text);
      float[] values = KeyedNoise.gaussian(new Noise.Keyed(key), 0, tokens * channels);
      return TorchTensor.of(device, values, 1, tokens, channels);
    }

    @Override
    public String sha256() {
      return "noise";
    }

    @Override
    public void close() {}
  }
}
