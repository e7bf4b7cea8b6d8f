package org.espalier.models.diffusion;

import org.espalier.torch.DType;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.WeightSpec;

/**
 * The sizes of a transformer that answers with velocities, for images of any size. An image is a
 * grid of tokens, one a patch of the latent; {@code rows} and {@code columns} count them from top
 * to bottom and from left to right.
 */
interface FlowArchitecture {
  /** Keys and shapes of the weights. */
  WeightSpec spec();

  /** The program with its attributes, but for device and size of the image. */
  TorchProgram.Builder program();

  /**
   * The shape of one latent as the program takes it, without the batch.
   *
   * @param rows image tokens from top to bottom
   * @param columns image tokens from left to right
   */
  long[] latentShape(int rows, int columns);

  /**
   * Tokens that go through the network for one row, text included.
   *
   * @param rows image tokens from top to bottom
   * @param columns image tokens from left to right
   * @param textTokens of the row's text
   */
  default long tokens(int rows, int columns, int textTokens) {
    return (long) rows * columns + textTokens;
  }

  /**
   * Floating-point operations of one row through the network.
   *
   * @param rows image tokens from top to bottom
   * @param columns image tokens from left to right
   * @param textTokens of the row's text
   */
  long flops(int rows, int columns, int textTokens);

  /**
   * Bytes that one row takes during an evaluation, at its peak.
   *
   * @param rows image tokens from top to bottom
   * @param columns image tokens from left to right
   * @param textTokens of the row's text
   * @param dtype in which the program computes
   */
  long bytes(int rows, int columns, int textTokens, DType dtype);
}
