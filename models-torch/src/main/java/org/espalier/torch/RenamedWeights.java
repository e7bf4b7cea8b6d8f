package org.espalier.torch;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/** Weights under other names. */
final class RenamedWeights implements WeightSource {
  private final WeightSource source;
  private final Map<String, String> originals = new LinkedHashMap<>();

  RenamedWeights(WeightSource source, Function<String, @Nullable String> rename) {
    this.source = source;
    for (String original : source.names()) {
      String name = rename.apply(original);
      if (name == null) {
        continue;
      }
      String clash = originals.put(name, original);
      if (clash != null) {
        throw EspalierException.config(
            "The tensors "
                + clash
                + " and "
                + original
                + " of "
                + source.location()
                + " stand for the same weight ("
                + name
                + ").",
            "Maybe the file mixes two layouts; remove one of them.");
      }
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
    return Collections.unmodifiableSet(originals.keySet());
  }

  @Override
  public TensorInfo info(String name) {
    return source.info(original(name));
  }

  @Override
  public ByteBuffer slice(String name, long byteOffset, int byteCount) {
    return source.slice(original(name), byteOffset, byteCount);
  }

  private String original(String name) {
    String original = originals.get(name);
    if (original == null) {
      throw EspalierException.config(
          "The weights " + source.location() + " have no tensor " + name + ".",
          Names.suggestion(name, names()));
    }
    return original;
  }

  @Override
  public void close() {
    source.close();
  }
}
