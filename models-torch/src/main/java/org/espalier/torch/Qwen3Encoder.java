package org.espalier.torch;

import java.util.List;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Qwen3 (<a href="https://arxiv.org/abs/2505.09388">Yang et al. 2025</a>) as a text encoder: its
 * states after chosen layers, by which FLUX.2 and Z-Image read prompts. Layers behind the last
 * chosen one are neither loaded nor run. Thread-safe.
 */
public final class Qwen3Encoder implements AutoCloseable {
  private final Qwen3Config config;
  private final List<Integer> taken;
  private final TorchProgram program;
  private final AtomicLong flops = new AtomicLong();

  /**
   * Loads an encoder.
   *
   * @param config its architecture
   * @param taken numbers of layers after which states are taken, increasing; 0 is the embeddings,
   *     and the last layer's states are taken after the final norm
   * @param source its weights, see {@link #layout}
   * @param device where it computes
   */
  public Qwen3Encoder(Qwen3Config config, List<Integer> taken, WeightSource source, Device device) {
    this.config = config;
    this.taken = List.copyOf(taken);
    this.program = program(config, taken).device(device).load(source, config.weights(taken));
  }

  static TorchProgram.Builder program(Qwen3Config config, List<Integer> taken) {
    return TorchProgram.builder("Qwen3")
        .text(Qwen3Encoder.class, "decoder.py")
        .text(Qwen3Encoder.class, "qwen3.py")
        .attribute("layers", config.layers(taken))
        .attribute("taken", List.copyOf(taken))
        .attribute("heads", config.numAttentionHeads())
        .attribute("kv_heads", config.numKeyValueHeads())
        .attribute("head_dim", config.headDim())
        .attribute("theta", config.ropeTheta())
        .attribute("eps", config.rmsNormEps());
  }

  /**
   * Weights in the layout of Hugging Face's {@code Qwen3Model}, whether they are of that or of a
   * {@code Qwen3ForCausalLM}, whose keys begin with {@code model.}.
   *
   * @param source the weights; closed with the result
   */
  public static WeightSource layout(WeightSource source) {
    return source.renamed(
        name -> name.startsWith("model.") ? name.substring("model.".length()) : name);
  }

  /** Its architecture. */
  public Qwen3Config config() {
    return config;
  }

  /** Its program, for provenance. */
  public TorchProgram program() {
    return program;
  }

  /** Width of a token: that of the model times the number of layers taken. */
  public int width() {
    return config.hiddenSize() * taken.size();
  }

  /**
   * Floating-point operations of encoding one text.
   *
   * @param tokens of the text, padding included
   */
  public long flops(int tokens) {
    return config.flops(tokens, taken);
  }

  /** Floating-point operations since it was loaded, counted at the native call. */
  public long flops() {
    return flops.get();
  }

  /**
   * Encodes one text.
   *
   * @param tokens its tokens; padding at the end sees the tokens before it and no padding
   * @return (1, tokens, {@link #width}): the states after the layers taken, side by side; float32,
   *     on the device; to be closed by the caller
   */
  public TorchTensor encode(Tokens tokens) {
    int length = tokens.ids().length;
    for (long id : tokens.ids()) {
      if (id < 0 || id >= config.vocabSize()) {
        throw new IllegalArgumentException("token " + id + " of " + config.vocabSize());
      }
    }
    try (TorchTensor ids = TorchTensor.of(program.device(), tokens.ids(), 1, length);
        TorchTensor keep = TorchTensor.of(program.device(), tokens.mask(), 1, length)) {
      TorchTensor states = program.call("forward", ids, keep);
      flops.addAndGet(flops(length));
      return states;
    }
  }

  @Override
  public void close() {
    program.close();
  }
}
