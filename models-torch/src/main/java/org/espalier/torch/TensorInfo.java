package org.espalier.torch;

import java.util.List;

/**
 * What a weight file says of one tensor.
 *
 * @param dtype element type
 * @param shape sizes, outermost first; empty for a scalar
 */
public record TensorInfo(DType dtype, List<Long> shape) {
  public TensorInfo {
    shape = List.copyOf(shape);
  }

  /** Number of elements. */
  public long elements() {
    return shape.stream().reduce(1L, Math::multiplyExact);
  }

  /** Number of bytes. */
  public long bytes() {
    return Math.multiplyExact(elements(), (long) dtype.bytes());
  }

  /**
   * One size.
   *
   * @param axis from 0
   */
  public int size(int axis) {
    return Math.toIntExact(shape.get(axis));
  }
}
