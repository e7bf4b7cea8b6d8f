package org.espalier.torch;

import java.util.concurrent.atomic.AtomicLong;

/**
 * Gemma 2 (<a href="https://arxiv.org/abs/2408.00118">Gemma Team 2024</a>) as a text encoder, by
 * which SANA reads prompts. Thread-safe.
 */
public final class Gemma2Encoder implements AutoCloseable {
  private final Gemma2Config config;
  private final TorchProgram program;
  private final AtomicLong flops = new AtomicLong();

  /**
   * Loads an encoder.
   *
   * @param config its architecture
   * @param source its weights, see {@link #layout}
   * @param device where it computes
   */
  public Gemma2Encoder(Gemma2Config config, WeightSource source, Device device) {
    this.config = config;
    this.program =
        TorchProgram.builder("Gemma2")
            .text(Gemma2Encoder.class, "decoder.py")
            .text(Gemma2Encoder.class, "gemma2.py")
            .attribute("layers", config.numHiddenLayers())
            .attribute("heads", config.numAttentionHeads())
            .attribute("kv_heads", config.numKeyValueHeads())
            .attribute("head_dim", config.headDim())
            .attribute("theta", config.ropeTheta())
            .attribute("eps", config.rmsNormEps())
            .attribute("scale", 1 / Math.sqrt(config.queryPreAttnScalar()))
            .attribute("cap", config.attnLogitSoftcapping())
            .device(device)
            .load(source, config.weights());
  }

  /**
   * Weights in the layout of Hugging Face's {@code Gemma2Model}, whether they are of that or of a
   * {@code Gemma2ForCausalLM}, whose keys begin with {@code model.}.
   *
   * @param source the weights; closed with the result
   */
  public static WeightSource layout(WeightSource source) {
    return Qwen3Encoder.layout(source);
  }

  /** Its architecture. */
  public Gemma2Config config() {
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
   * @param ids its tokens, without padding; at most as many as the sliding window
   * @return the states after the final norm (1, tokens, hiddenSize), float32, on the device; to be
   *     closed by the caller
   */
  public TorchTensor encode(long[] ids) {
    if (ids.length > config.slidingWindow()) {
      throw new IllegalArgumentException(ids.length + " tokens of " + config.slidingWindow());
    }
    for (long id : ids) {
      if (id < 0 || id >= config.vocabSize()) {
        throw new IllegalArgumentException("token " + id + " of " + config.vocabSize());
      }
    }
    try (TorchTensor tokens = TorchTensor.of(program.device(), ids, 1, ids.length)) {
      TorchTensor states = program.call("forward", tokens);
      flops.addAndGet(config.flops(ids.length));
      return states;
    }
  }

  @Override
  public void close() {
    program.close();
  }
}
