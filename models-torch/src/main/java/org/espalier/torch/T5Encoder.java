package org.espalier.torch;

import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLong;

/**
 * The encoder of T5 (<a href="https://arxiv.org/abs/1910.10683">Raffel et al. 2020</a>), by which
 * Infinity and FLUX read prompts. Thread-safe.
 */
public final class T5Encoder implements AutoCloseable {
  private final T5Config config;
  private final TorchProgram program;
  private final AtomicLong flops = new AtomicLong();

  /**
   * Loads an encoder.
   *
   * @param config its architecture
   * @param source its weights in the layout of Hugging Face's {@code T5EncoderModel}
   * @param device where it computes
   */
  public T5Encoder(T5Config config, WeightSource source, Device device) {
    this.config = config;
    this.program =
        TorchProgram.builder("T5")
            .text(T5Encoder.class, "t5.py")
            .attribute("layers", config.numLayers())
            .attribute("heads", config.numHeads())
            .attribute("eps", config.layerNormEpsilon())
            .attribute("buckets", config.relativeAttentionNumBuckets())
            .attribute("max_distance", config.relativeAttentionMaxDistance())
            .attribute("gated", config.gated())
            .attribute("activation", config.activation())
            .device(device)
            .load(source, config.weights());
  }

  /**
   * Loads an encoder from a directory with {@code config.json} and weights.
   *
   * @param directory as {@code save_pretrained} leaves it
   * @param device where it computes
   */
  public static T5Encoder load(Path directory, Device device) {
    T5Config config = T5Config.read(directory.resolve("config.json"));
    try (WeightSource source = WeightSource.open(directory)) {
      return new T5Encoder(config, source, device);
    }
  }

  /** Its architecture. */
  public T5Config config() {
    return config;
  }

  /** Its program, for provenance. */
  public TorchProgram program() {
    return program;
  }

  /** Floating-point operations since it was loaded, counted at the native call. */
  public long flops() {
    return flops.get();
  }

  /**
   * Encodes one text.
   *
   * @param tokens its tokens; padding is masked out
   * @return (1, tokens, dModel), float32, on the device; to be closed by the caller
   */
  public TorchTensor encode(Tokens tokens) {
    return encode(tokens, tokens.mask());
  }

  /**
   * Encodes one text with a mask of its own.
   *
   * @param tokens its tokens
   * @param mask 1 for tokens that are attended to, 0 for others; as long as the tokens
   * @return (1, tokens, dModel), float32, on the device; to be closed by the caller
   */
  public TorchTensor encode(Tokens tokens, float[] mask) {
    int length = tokens.ids().length;
    for (long id : tokens.ids()) {
      if (id < 0 || id >= config.vocabSize()) {
        throw new IllegalArgumentException("token " + id + " of " + config.vocabSize());
      }
    }
    try (TorchTensor ids = TorchTensor.of(program.device(), tokens.ids(), 1, length);
        TorchTensor keep = TorchTensor.of(program.device(), mask, 1, length)) {
      TorchTensor features = program.call("forward", ids, keep);
      flops.addAndGet(config.flops(length));
      return features;
    }
  }

  @Override
  public void close() {
    program.close();
  }
}
