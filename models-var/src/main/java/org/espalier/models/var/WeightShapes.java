package org.espalier.models.var;

import org.espalier.api.EspalierException;
import org.espalier.torch.TensorInfo;
import org.espalier.torch.WeightSource;

/** Reads sizes of a network off the shapes of its weights. */
final class WeightShapes {
  private WeightShapes() {}

  /**
   * One size.
   *
   * @param source the weights
   * @param name of one
   * @param axis from 0
   * @param axes that it must have
   * @throws EspalierException CONFIG where it is missing or has another number of axes
   */
  static int size(WeightSource source, String name, int axis, int axes) {
    TensorInfo info = info(source, name);
    if (info.shape().size() != axes) {
      throw EspalierException.config(
          "The weights %s have the key %s with the shape %s instead of %d axes."
              .formatted(source.location(), name, info.shape(), axes),
          "Maybe the checkpoint is of another model.");
    }
    return info.size(axis);
  }

  /**
   * What a weight file says of one weight.
   *
   * @param source the weights
   * @param name of one
   * @throws EspalierException CONFIG where it is missing
   */
  static TensorInfo info(WeightSource source, String name) {
    if (!source.names().contains(name)) {
      throw EspalierException.config(
          "The weights " + source.location() + " lack the key " + name + ".",
          "Maybe the download is not complete, or the checkpoint is of another model or of an"
              + " unsupported variant.");
    }
    return source.info(name);
  }
}
