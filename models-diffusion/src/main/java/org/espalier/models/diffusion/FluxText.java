package org.espalier.models.diffusion;

import ai.djl.Device;
import org.espalier.api.DrawKey;
import org.espalier.api.Noise;
import org.espalier.noise.KeyedNoise;
import org.espalier.torch.TorchTensor;

/** How prompts become what the transformer is conditioned on. Thread-safe. */
interface FluxText extends AutoCloseable {
  /**
   * Encodes a prompt.
   *
   * @param prompt any text; may be empty
   */
  FluxConditioning encode(String prompt);

  /**
   * Floating-point operations of {@link #encode}.
   *
   * @param prompt the text
   */
  long flops(String prompt);

  /** Floating-point operations since loading, counted at the native calls. */
  long countedFlops();

  @Override
  void close();

  /**
   * Noise for networks of random weights.
   *
   * @param device where
   * @param tokens of every text
   * @param width of a token
   * @param pooledWidth of the pooled vector
   */
  record Untrained(Device device, int tokens, int width, int pooledWidth) implements FluxText {
    @Override
    public FluxConditioning encode(String prompt) {
      DrawKey key = DrawKey.root(0).child(prompt);
      float[] words = KeyedNoise.gaussian(new Noise.Keyed(key), 0, tokens * width);
      float[] vector = KeyedNoise.gaussian(new Noise.Keyed(key), 1, pooledWidth);
      TorchTensor text = TorchTensor.of(device, words, 1, tokens, width);
      TorchTensor pooled = TorchTensor.of(device, vector, 1, pooledWidth);
      return new FluxConditioning(new FluxTransformer.Text(text, pooled), false);
    }

    @Override
    public long flops(String prompt) {
      return 0;
    }

    @Override
    public long countedFlops() {
      return 0;
    }

    @Override
    public void close() {}
  }
}
