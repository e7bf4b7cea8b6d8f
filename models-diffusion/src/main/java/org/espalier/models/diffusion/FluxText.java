package org.espalier.models.diffusion;

import ai.djl.Device;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;
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
  record Noise(Device device, int tokens, int width, int pooledWidth) implements FluxText {
    @Override
    public FluxConditioning encode(String prompt) {
      Random random = new Random(Arrays.hashCode(prompt.getBytes(StandardCharsets.UTF_8)));
      TorchTensor text = TorchTensor.of(device, noise(random, tokens * width), 1, tokens, width);
      TorchTensor pooled = TorchTensor.of(device, noise(random, pooledWidth), 1, pooledWidth);
      return new FluxConditioning(new FluxTransformer.Text(text, pooled), false);
    }

    private static float[] noise(Random random, int count) {
      float[] values = new float[count];
      for (int i = 0; i < count; i++) {
        values[i] = (float) random.nextGaussian();
      }
      return values;
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
