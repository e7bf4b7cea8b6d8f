package org.espalier.verifiers;

import java.util.List;
import org.espalier.api.EspalierException;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;

/** What a checkpoint's keys tell of its architecture. */
final class Checkpoint {
  private Checkpoint() {}

  /**
   * A size of a weight.
   *
   * @param source the weights
   * @param key the weight
   * @param axis from 0
   * @param model for the message
   */
  static int size(WeightSource source, String key, int axis, String model) {
    if (!source.names().contains(key)) {
      throw EspalierException.config(
          "The weights "
              + source.location()
              + " are not those of "
              + model
              + ": the key "
              + key
              + " is missing.",
          "Maybe the path points to another model's checkpoint.");
    }
    List<Long> shape = source.info(key).shape();
    if (shape.size() <= axis) {
      throw EspalierException.config(
          "The weights "
              + source.location()
              + " are not those of "
              + model
              + ": the key "
              + key
              + " has the shape "
              + shape
              + ".",
          "Maybe the path points to another model's checkpoint.");
    }
    return Math.toIntExact(shape.get(axis));
  }

  /**
   * How many layers there are.
   *
   * @param source the weights
   * @param prefix of their keys, up to the number
   */
  static int layers(WeightSource source, String prefix) {
    int layers = 0;
    while (has(source, prefix + layers + ".")) {
      layers++;
    }
    return layers;
  }

  private static boolean has(WeightSource source, String prefix) {
    return source.names().stream().anyMatch(name -> name.startsWith(prefix));
  }

  /**
   * Expects a linear layer, with a bias where the checkpoint has one.
   *
   * @param spec to add to
   * @param source the weights
   * @param prefix of its keys
   * @param out output width
   * @param in input width
   */
  static void dense(
      WeightSpec.Builder spec, WeightSource source, String prefix, long out, long in) {
    spec.key(prefix + ".weight", out, in);
    if (source.names().contains(prefix + ".bias")) {
      spec.key(prefix + ".bias", out);
    }
  }
}
