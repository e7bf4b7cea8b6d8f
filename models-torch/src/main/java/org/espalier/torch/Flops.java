package org.espalier.torch;

/**
 * Exact floating-point operations of the operators that count: matrix products, attention and
 * convolutions, a multiply-add being two. Norms, activations and additions of biases are left out,
 * as is usual. Models use these both for their quotes and for their counters.
 */
public final class Flops {
  private Flops() {}

  /**
   * A linear layer.
   *
   * @param rows vectors it is applied to
   * @param in input width
   * @param out output width
   */
  public static long linear(long rows, long in, long out) {
    return Math.multiplyExact(Math.multiplyExact(2 * rows, in), out);
  }

  /**
   * A batch of matrix products.
   *
   * @param batch how many
   * @param rows of the left matrix
   * @param inner columns of the left and rows of the right matrix
   * @param columns of the right matrix
   */
  public static long matmul(long batch, long rows, long inner, long columns) {
    return Math.multiplyExact(linear(rows, inner, columns), batch);
  }

  /**
   * Scaled dot-product attention: the scores and the weighted sum of values.
   *
   * @param batch batch size times heads
   * @param queries tokens that attend
   * @param keys tokens attended to, masked ones included
   * @param width of one head
   */
  public static long attention(long batch, long queries, long keys, long width) {
    return Math.multiplyExact(2, matmul(batch, queries, width, keys));
  }

  /**
   * A two-dimensional convolution.
   *
   * @param outHeight height of its output
   * @param outWidth width of its output
   * @param inChannels channels of its input
   * @param outChannels channels of its output
   * @param kernel side of its square kernel
   */
  public static long conv2d(
      long outHeight, long outWidth, long inChannels, long outChannels, long kernel) {
    return linear(outHeight * outWidth, inChannels * kernel * kernel, outChannels);
  }
}
