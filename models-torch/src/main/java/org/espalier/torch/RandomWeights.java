package org.espalier.torch;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.espalier.api.EspalierException;

/** Shapes without values: the program that reads them fills its weights with noise. */
final class RandomWeights implements WeightSource {
  private static final Path LOCATION = Path.of("random");

  private final Map<String, List<Long>> shapes;

  RandomWeights(WeightSpec spec) {
    shapes = spec.shapes();
  }

  @Override
  public boolean isRandom() {
    return true;
  }

  @Override
  public Path location() {
    return LOCATION;
  }

  @Override
  public List<Path> files() {
    return List.of();
  }

  @Override
  public Set<String> names() {
    return shapes.keySet();
  }

  @Override
  public TensorInfo info(String name) {
    List<Long> shape = shapes.get(name);
    if (shape == null) {
      throw EspalierException.config(
          "The random weights lack the key " + name + ".", Names.suggestion(name, shapes.keySet()));
    }
    return new TensorInfo(DType.F32, shape);
  }

  @Override
  public ByteBuffer slice(String name, long byteOffset, int byteCount) {
    throw new UnsupportedOperationException("random weights have no bytes");
  }

  @Override
  public void close() {}
}
