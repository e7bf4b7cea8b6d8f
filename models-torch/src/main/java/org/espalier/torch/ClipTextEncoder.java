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
    this.config = config;
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
            .load(source, config.weights());
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
    try (TorchTensor ids = TorchTensor.of(program.device(), tokens.ids(), 1, length);
        TorchTensor keep = TorchTensor.of(program.device(), tokens.mask(), 1, length)) {
      List<TorchTensor> features = program.run("forward", ids, keep);
      flops.addAndGet(config.flops(length));
      return features;
    }
  }

  @Override
  public void close() {
    program.close();
  }
}
