package org.espalier.torch;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.espalier.api.EspalierException;

/** Weights under other names; one that is several weights, stacked, may come in parts. */
final class RenamedWeights implements WeightSource {
  private final WeightSource source;
  private final Map<String, Part> parts = new LinkedHashMap<>();

  /**
   * An equal part of a tensor, along its first axis: one piece of its bytes.
   *
   * @param original name of the tensor
   * @param index of the part
   * @param count of all parts
   */
  private record Part(String original, int index, int count) {}

  RenamedWeights(WeightSource source, Function<String, List<String>> rename) {
    this.source = source;
    for (String original : source.names()) {
      List<String> names = rename.apply(original);
      requireDivisible(original, names.size());
      for (int i = 0; i < names.size(); i++) {
        Part clash = parts.put(names.get(i), new Part(original, i, names.size()));
        if (clash != null) {
          throw EspalierException.config(
              "The tensors "
                  + clash.original
                  + " and "
                  + original
                  + " of "
                  + source.location()
                  + " stand for the same weight ("
                  + names.get(i)
                  + ").",
              "Maybe the file mixes two layouts; remove one of them.");
        }
      }
    }
  }

  private void requireDivisible(String original, int count) {
    if (count < 2) {
      return;
    }
    List<Long> shape = source.info(original).shape();
    if (shape.isEmpty() || shape.get(0) % count != 0) {
      throw EspalierException.config(
          "The tensor %s (shape %s) of %s does not consist of %d equal parts."
              .formatted(original, shape, source.location(), count),
          "Maybe the file belongs to another model.");
    }
  }

  @Override
  public boolean isRandom() {
    return source.isRandom();
  }

  @Override
  public Path location() {
    return source.location();
  }

  @Override
  public List<Path> files() {
    return source.files();
  }

  @Override
  public Set<String> names() {
    return Collections.unmodifiableSet(parts.keySet());
  }

  @Override
  public TensorInfo info(String name) {
    Part part = part(name);
    TensorInfo whole = source.info(part.original);
    if (part.count == 1) {
      return whole;
    }
    List<Long> shape = new ArrayList<>(whole.shape());
    shape.set(0, shape.get(0) / part.count);
    return new TensorInfo(whole.dtype(), shape);
  }

  @Override
  public ByteBuffer slice(String name, long byteOffset, int byteCount) {
    Part part = part(name);
    long begin = source.info(part.original).bytes() / part.count * part.index;
    return source.slice(part.original, begin + byteOffset, byteCount);
  }

  private Part part(String name) {
    Part part = parts.get(name);
    if (part == null) {
      throw EspalierException.config(
          "The weights " + source.location() + " have no tensor " + name + ".",
          Names.suggestion(name, names()));
    }
    return part;
  }

  @Override
  public void close() {
    source.close();
  }
}
