package org.espalier.models.diffusion;

import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.espalier.spi.RgbImage;
import org.espalier.torch.RowExecutor;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.TorchTensor;

/** Turns latents into images. Work is counted at the native call. Thread-safe. */
abstract class LatentDecoder implements AutoCloseable {
  private final TorchProgram program;
  private final int patch;
  private final AtomicLong countedFlops = new AtomicLong();
  private final AtomicLong countedImages = new AtomicLong();

  /**
   * A decoder over a loaded program, which it owns.
   *
   * @param program with the methods {@code decode} and {@code pixels}
   * @param patch pixels a side of one image token
   */
  LatentDecoder(TorchProgram program, int patch) {
    this.program = program;
    this.patch = patch;
  }

  /**
   * Floating-point operations of decoding one image.
   *
   * @param rows image tokens from top to bottom
   * @param columns image tokens from left to right
   */
  abstract long flops(int rows, int columns);

  /**
   * The shape of one latent as the transformer has it, with a batch of one.
   *
   * @param rows image tokens from top to bottom
   * @param columns image tokens from left to right
   */
  abstract long[] shape(int rows, int columns);

  /**
   * Decodes latents, one native call an image.
   *
   * @param latents as the transformer has them
   * @param rows image tokens from top to bottom
   * @param columns image tokens from left to right
   */
  final List<RgbImage> decode(List<float[]> latents, int rows, int columns) {
    return RowExecutor.map(
        program.device(),
        latents,
        latent -> {
          try (TorchTensor tensor = TorchTensor.of(program.device(), latent, shape(rows, columns));
              TorchTensor pixels = program.call("pixels", tensor, rows, columns)) {
            count(rows, columns);
            return new RgbImage(columns * patch, rows * patch, pixels.toBytes());
          }
        });
  }

  /**
   * Decodes one latent to numbers of about [-1, 1], channel by channel: (3, height, width).
   *
   * @param latent as the transformer has it
   * @param rows image tokens from top to bottom
   * @param columns image tokens from left to right
   */
  final float[] decodeFloats(float[] latent, int rows, int columns) {
    try (TorchTensor tensor = TorchTensor.of(program.device(), latent, shape(rows, columns));
        TorchTensor image = program.call("decode", tensor, rows, columns)) {
      count(rows, columns);
      return image.toFloats();
    }
  }

  private void count(int rows, int columns) {
    countedFlops.addAndGet(flops(rows, columns));
    countedImages.incrementAndGet();
  }

  /** Floating-point operations of decoding since it was loaded. */
  final long countedFlops() {
    return countedFlops.get();
  }

  /** Images decoded since it was loaded. */
  final long countedImages() {
    return countedImages.get();
  }

  /** Its program, for provenance. */
  final TorchProgram program() {
    return program;
  }

  @Override
  public final void close() {
    program.close();
  }
}
