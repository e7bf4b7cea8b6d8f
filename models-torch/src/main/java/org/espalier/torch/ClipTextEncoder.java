package org.espalier.torch;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;

/**
 * The text tower of CLIP (<a href="https://arxiv.org/abs/2103.00020">Radford et al. 2021</a>), from
 * which FLUX takes its pooled vector. Thread-safe.
 */
public final class ClipTextEncoder implements AutoCloseable {
  private final ClipTextConfig config;
  private final int projection;
  private final TorchProgram program;
  private final AtomicLong flops = new AtomicLong();

  /**
   * Loads a tower.
   *
   * @param config its architecture
   * @param source its weights in the layout of Hugging Face's {@code CLIPTextModel}, or of a whole
   *     {@code CLIPModel}
   * @param device where it computes
   */
  public ClipTextEncoder(ClipTextConfig config, WeightSource source, Device device) {
    this(config, source, config.weights(), 0, device);
  }

  private ClipTextEncoder(
      ClipTextConfig config,
      WeightSource source,
      WeightSpec weights,
      int projection,
      Device device) {
    this.config = config;
    this.projection = projection;
    this.program =
        TorchProgram.builder("ClipText")
            .text(ClipTextEncoder.class, "clip_text.py")
            .text(ClipTextEncoder.class, "clip_text_model.py")
            .attribute("layers", config.numHiddenLayers())
            .attribute("heads", config.numAttentionHeads())
            .attribute("eos", config.eosTokenId())
            .attribute("quick", config.quickGelu())
            .attribute("eps", config.layerNormEps())
            .device(device)
            .load(source, weights);
  }

  /**
   * Loads a tower with the projection of its pooled vector.
   *
   * @param config its architecture
   * @param source its weights in the layout of Hugging Face's {@code CLIPTextModelWithProjection}
   * @param device where it computes
   */
  public static ClipTextEncoder projected(
      ClipTextConfig config, WeightSource source, Device device) {
    int width = projection(source);
    return new ClipTextEncoder(config, source, config.projectedWeights(width), width, device);
  }

  /**
   * Width of the projected vector.
   *
   * @param source weights that have the projection
   */
  public static int projection(WeightSource source) {
    return source.info("text_projection.weight").size(0);
  }

  /**
   * Loads a tower from a directory with {@code config.json} and weights.
   *
   * @param directory as {@code save_pretrained} leaves it
   * @param device where it computes
   */
  public static ClipTextEncoder load(Path directory, Device device) {
    ClipTextConfig config = ClipTextConfig.read(directory.resolve("config.json"));
    try (WeightSource source = WeightSource.open(directory)) {
      return new ClipTextEncoder(config, source, device);
    }
  }

  /** Its architecture. */
  public ClipTextConfig config() {
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
   * Encodes one text. Attention is causal, so padding behind the end of the text changes neither
   * the tokens before it nor the pooled vector, and may be left out.
   *
   * @param tokens its tokens, the end of text included; padding is masked out
   * @return the last hidden state (1, tokens, hiddenSize) and the pooled vector (1, hiddenSize),
   *     float32, on the device; to be closed by the caller
   */
  public List<TorchTensor> encode(Tokens tokens) {
    int length = check(tokens);
    try (TorchTensor ids = TorchTensor.of(program.device(), tokens.ids(), 1, length);
        TorchTensor keep = TorchTensor.of(program.device(), tokens.mask(), 1, length)) {
      List<TorchTensor> features = program.run("forward", ids, keep);
      flops.addAndGet(config.flops(length));
      return features;
    }
  }

  /**
   * Encodes one text as Stable Diffusion 3 reads it. Padding is no different from tokens.
   *
   * @param tokens its tokens, padded as the checkpoint's tokenizer pads
   * @return the states before the last layer (1, tokens, hiddenSize) and the projected vector at
   *     the end of the text (1, projection), float32, on the device; to be closed by the caller
   */
  public List<TorchTensor> encodeProjected(Tokens tokens) {
    int length = check(tokens);
    try (TorchTensor ids = TorchTensor.of(program.device(), tokens.ids(), 1, length)) {
      List<TorchTensor> features = program.run("projected", ids);
      flops.addAndGet(projectedFlops(length));
      return features;
    }
  }

  /**
   * Floating-point operations of {@link #encodeProjected}.
   *
   * @param tokens of the text, padding included
   */
  public long projectedFlops(int tokens) {
    return config.flops(tokens) + Flops.linear(1, config.hiddenSize(), projection);
  }

  private int check(Tokens tokens) {
    int length = tokens.ids().length;
    if (length > config.maxPositionEmbeddings()) {
      throw new IllegalArgumentException(
          length + " tokens, of which there are positions for " + config.maxPositionEmbeddings());
    }
    for (long id : tokens.ids()) {
      if (id < 0 || id >= config.vocabSize()) {
        throw new IllegalArgumentException("token " + id + " of " + config.vocabSize());
      }
    }
    return length;
  }

  @Override
  public void close() {
    program.close();
  }
}
