package org.espalier.models.diffusion;

import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.espalier.api.EspalierException;
import org.espalier.spi.RgbImage;
import org.espalier.torch.Device;
import org.espalier.torch.RowExecutor;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;

/**
 * The autoencoder of FLUX.1. Latents are packed: patches of 2 x 2 latent pixels, row by row, each
 * as channels, then rows, then columns. It computes in float32 on the CPU, in bfloat16 on a GPU.
 * Thread-safe.
 */
final class FluxAutoencoder implements AutoCloseable {
  private final AutoencoderArchitecture architecture;
  private final TorchProgram program;
  private final AtomicLong countedFlops = new AtomicLong();
  private final AtomicLong countedImages = new AtomicLong();

  /**
   * Loads an autoencoder.
   *
   * @param architecture its sizes
   * @param weights in Black Forest Labs' keys
   * @param device where it computes
   */
  FluxAutoencoder(AutoencoderArchitecture architecture, WeightSource weights, Device device) {
    this.architecture = architecture;
    this.program =
        TorchProgram.builder("FluxAutoencoder")
            .text(FluxAutoencoder.class, "flux_ae.py")
            .attribute("levels", architecture.levels().size())
            .attribute("blocks", architecture.blocks())
            .attribute("scale_factor", architecture.scaleFactor())
            .attribute("shift_factor", architecture.shiftFactor())
            .device(device)
            .load(weights, architecture.spec());
  }

  AutoencoderArchitecture architecture() {
    return architecture;
  }

  TorchProgram program() {
    return program;
  }

  /** Floating-point operations of decoding since it was loaded, counted at the native call. */
  long countedFlops() {
    return countedFlops.get();
  }

  /** Images decoded since it was loaded. */
  long countedImages() {
    return countedImages.get();
  }

  /**
   * Floating-point operations of decoding one image.
   *
   * @param rows packed rows
   * @param columns packed columns
   */
  long flops(int rows, int columns) {
    return architecture.decodeFlops(
        (long) rows * FlowArchitecture.PATCH, (long) columns * FlowArchitecture.PATCH);
  }

  /**
   * Decodes packed latents, one native call an image.
   *
   * @param latents each of {@code rows * columns} tokens
   * @param rows packed rows
   * @param columns packed columns
   */
  List<RgbImage> decode(List<float[]> latents, int rows, int columns) {
    int side = architecture.stride() * FlowArchitecture.PATCH;
    return RowExecutor.map(
        program.device(),
        latents,
        latent -> {
          try (TorchTensor tokens = tokens(latent, rows, columns);
              TorchTensor pixels = program.call("pixels", tokens, rows, columns)) {
            countedFlops.addAndGet(flops(rows, columns));
            countedImages.incrementAndGet();
            return new RgbImage(columns * side, rows * side, pixels.toBytes());
          }
        });
  }

  /**
   * Decodes one packed latent to numbers of about [-1, 1], channel by channel: (3, height, width).
   *
   * @param latent {@code rows * columns} tokens
   * @param rows packed rows
   * @param columns packed columns
   */
  float[] decodeFloats(float[] latent, int rows, int columns) {
    try (TorchTensor tokens = tokens(latent, rows, columns);
        TorchTensor image = program.call("decode", tokens, rows, columns)) {
      countedFlops.addAndGet(flops(rows, columns));
      countedImages.incrementAndGet();
      return image.toFloats();
    }
  }

  private TorchTensor tokens(float[] latent, int rows, int columns) {
    return TorchTensor.of(
        program.device(), latent, 1, (long) rows * columns, latent.length / rows / columns);
  }

  /**
   * Encodes an image to the mean of its packed latents.
   *
   * @param image sides that are multiples of the stride times the patch size
   * @throws EspalierException CONFIG where the sides are not, or the weights lack the encoder
   */
  float[] encode(RgbImage image) {
    int side = architecture.stride() * FlowArchitecture.PATCH;
    if (image.width() % side != 0 || image.height() % side != 0) {
      throw EspalierException.config(
          "An image of %d x %d pixels cannot be encoded: its sides must be multiples of %d."
              .formatted(image.width(), image.height(), side),
          "Maybe crop or resize it.");
    }
    if (!architecture.encoder()) {
      throw EspalierException.config(
          "The autoencoder's weights have no encoder.", "Maybe use the complete ae.safetensors.");
    }
    int plane = image.width() * image.height();
    float[] values = new float[3 * plane];
    for (int i = 0; i < plane; i++) {
      for (int c = 0; c < 3; c++) {
        values[c * plane + i] = (image.rgb()[3 * i + c] & 0xff) / 127.5f - 1;
      }
    }
    try (TorchTensor pixels =
            TorchTensor.of(program.device(), values, 1, 3, image.height(), image.width());
        TorchTensor latent = program.call("encode", pixels)) {
      return latent.toFloats();
    }
  }

  @Override
  public void close() {
    program.close();
  }
}
