package org.espalier.torch;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.espalier.api.EspalierException;

/**
 * Weights of one byte each: beside an int8 tensor {@code NAME} of shape [rows, ...] lies {@code
 * NAME.row_scale}, float32 of shape [rows], and the weight is their product, row by row. Appears as
 * float32 tensors without the scales; tensors of other types are as they are. Rounding to the
 * nearest of 255 values a row changes a weight by at most 1/254 of its row's largest.
 */
final class RowScaledWeights implements WeightSource {
  /** What the name of a tensor's scales ends with. */
  static final String SCALE = ".row_scale";

  private final WeightSource source;
  private final Set<String> names = new TreeSet<>();
  private final Set<String> scaled = new TreeSet<>();

  private RowScaledWeights(WeightSource source) {
    this.source = source;
    for (String name : source.names()) {
      if (!name.endsWith(SCALE)) {
        names.add(name);
        continue;
      }
      String weight = name.substring(0, name.length() - SCALE.length());
      requireRows(weight, name);
      scaled.add(weight);
    }
  }

  /** The source itself where it has no scales. */
  static WeightSource of(WeightSource source) {
    return source.names().stream().anyMatch(name -> name.endsWith(SCALE))
        ? new RowScaledWeights(source)
        : source;
  }

  private void requireRows(String weight, String scale) {
    TensorInfo rows = source.info(scale);
    TensorInfo values = source.info(weight);
    if (values.dtype() != DType.I8
        || rows.dtype() != DType.F32
        || values.shape().isEmpty()
        || !rows.shape().equals(values.shape().subList(0, 1))) {
      throw EspalierException.config(
          "The tensor %s (%s %s) of %s does not scale the rows of %s (%s %s)."
              .formatted(
                  scale,
                  rows.dtype(),
                  rows.shape(),
                  source.location(),
                  weight,
                  values.dtype(),
                  values.shape()),
          "Maybe write int8 weights with one float32 scale a row.");
    }
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
    return Collections.unmodifiableSet(names);
  }

  @Override
  public TensorInfo info(String name) {
    TensorInfo info = source.info(name);
    return scaled.contains(name) ? new TensorInfo(DType.F32, info.shape()) : info;
  }

  @Override
  public ByteBuffer slice(String name, long byteOffset, int byteCount) {
    if (!scaled.contains(name)) {
      return source.slice(name, byteOffset, byteCount);
    }
    TensorInfo info = info(name);
    WeightSource.requireWithin(name, byteOffset, byteCount, info.bytes());
    if (byteOffset % 4 != 0 || byteCount % 4 != 0) {
      throw new IllegalArgumentException(
          "bytes %d + %d of tensor %s are no whole floats".formatted(byteOffset, byteCount, name));
    }
    long first = byteOffset / 4;
    int count = byteCount / 4;
    long width = info.elements() / Math.max(1, info.shape().get(0));
    ByteBuffer values = source.slice(name, first, count);
    ByteBuffer scales = source.slice(name + SCALE, 0, Math.toIntExact(4 * info.shape().get(0)));
    ByteBuffer floats = ByteBuffer.allocateDirect(byteCount).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < count; i++) {
      int row = (int) ((first + i) / width);
      floats.putFloat(4 * i, values.get(i) * scales.getFloat(4 * row));
    }
    return floats.asReadOnlyBuffer().order(ByteOrder.LITTLE_ENDIAN);
  }

  @Override
  public void close() {
    source.close();
  }
}
