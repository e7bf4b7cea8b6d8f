package org.espalier.models.diffusion;

import org.espalier.api.EspalierException;
import org.espalier.spi.RgbImage;
import org.espalier.torch.Device;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;

/**
 * The autoencoder of latent diffusion as FLUX.1, FLUX.2, SD3 and Z-Image have it. It takes latents
 * as their models have them: channel by channel, or packed: patches of 2 x 2 latent pixels, row by
 * row, each as channels, then rows, then columns. It computes in float32 on the CPU, in bfloat16 on
 * a GPU. Thread-safe.
 */
final class KlAutoencoder extends LatentDecoder {
  private final KlArchitecture architecture;
  private final boolean packed;

  /**
   * Loads an autoencoder.
   *
   * @param architecture its sizes
   * @param packed whether the model's latents are packed
   * @param weights in Black Forest Labs' keys
   * @param device where it computes
   */
  KlAutoencoder(KlArchitecture architecture, boolean packed, WeightSource weights, Device device) {
    super(
        program(architecture, packed).device(device).load(weights, architecture.spec()),
        architecture.stride() * KlArchitecture.PATCH);
    this.architecture = architecture;
    this.packed = packed;
  }

  /**
   * The program, but for its device.
   *
   * @param architecture its sizes
   * @param packed whether the model's latents are packed
   */
  static TorchProgram.Builder program(KlArchitecture architecture, boolean packed) {
    return TorchProgram.builder("KlAutoencoder")
        .text(KlAutoencoder.class, "blocks.py")
        .text(KlAutoencoder.class, "kl_autoencoder.py")
        .attribute("levels", architecture.levels().size())
        .attribute("blocks", architecture.blocks())
        .attribute("groups", architecture.groups())
        .attribute("packed", packed)
        .attribute("scale_factor", architecture.scale().factor())
        .attribute("shift_factor", architecture.scale().shift())
        .attribute("statistics", architecture.scale().statistics())
        .attribute("statistics_eps", architecture.scale().statisticsEps());
  }

  KlArchitecture architecture() {
    return architecture;
  }

  @Override
  long flops(int rows, int columns) {
    return architecture.decodeFlops(
        (long) rows * KlArchitecture.PATCH, (long) columns * KlArchitecture.PATCH);
  }

  @Override
  long[] shape(int rows, int columns) {
    long patch = KlArchitecture.PATCH;
    return packed
        ? new long[] {1, (long) rows * columns, patch * patch * architecture.latentChannels()}
        : new long[] {1, architecture.latentChannels(), patch * rows, patch * columns};
  }

  /**
   * Encodes an image to the mean of its packed latents.
   *
   * @param image sides that are multiples of the stride times the patch size
   * @throws EspalierException CONFIG where the sides are not, or the weights lack the encoder
   */
  float[] encode(RgbImage image) {
    int side = architecture.stride() * KlArchitecture.PATCH;
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
            TorchTensor.of(program().device(), values, 1, 3, image.height(), image.width());
        TorchTensor latent = program().call("encode", pixels)) {
      return latent.toFloats();
    }
  }
}
