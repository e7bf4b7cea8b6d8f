package org.espalier.models.diffusion;

import org.espalier.torch.Device;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.WeightSource;

/**
 * The deep-compression autoencoder of SANA. Latents lie channel by channel. It computes in float32
 * on the CPU, in bfloat16 on a GPU. Thread-safe.
 */
final class DcAutoencoder extends LatentDecoder {
  private final DcArchitecture architecture;

  /**
   * Loads a decoder.
   *
   * @param architecture its sizes
   * @param weights in diffusers' keys
   * @param device where it computes
   */
  DcAutoencoder(DcArchitecture architecture, WeightSource weights, Device device) {
    super(
        program(architecture).device(device).load(weights, architecture.spec()),
        architecture.stride());
    this.architecture = architecture;
  }

  /**
   * The program, but for its device.
   *
   * @param architecture its sizes
   */
  static TorchProgram.Builder program(DcArchitecture architecture) {
    return TorchProgram.builder("DcAutoencoder")
        .text(DcAutoencoder.class, "linear_attention.py")
        .text(DcAutoencoder.class, "dc_autoencoder.py")
        .attribute("levels", architecture.levels().size())
        .attribute("most", architecture.mostBlocks())
        .attribute("head_width", architecture.headWidth())
        .attribute("shuffled", architecture.shuffled())
        .attribute("scale_factor", architecture.scale());
  }

  @Override
  long flops(int rows, int columns) {
    return architecture.decodeFlops(rows, columns);
  }

  @Override
  long[] shape(int rows, int columns) {
    return new long[] {1, architecture.latentChannels(), rows, columns};
  }
}
