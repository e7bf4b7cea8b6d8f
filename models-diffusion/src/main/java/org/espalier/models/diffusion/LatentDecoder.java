package org.espalier.models.diffusion;

import java.util.List;
import org.espalier.spi.RgbImage;
import org.espalier.torch.TorchProgram;

/** Turns latents into images. Work is counted at the native call. Thread-safe. */
interface LatentDecoder extends AutoCloseable {
  /**
   * Decodes latents, one native call an image.
   *
   * @param latents as the transformer has them
   * @param rows image tokens from top to bottom
   * @param columns image tokens from left to right
   */
  List<RgbImage> decode(List<float[]> latents, int rows, int columns);

  /**
   * Floating-point operations of decoding one image.
   *
   * @param rows image tokens from top to bottom
   * @param columns image tokens from left to right
   */
  long flops(int rows, int columns);

  /** Floating-point operations of decoding since it was loaded. */
  long countedFlops();

  /** Images decoded since it was loaded. */
  long countedImages();

  /** Its program, for provenance. */
  TorchProgram program();

  @Override
  void close();
}
