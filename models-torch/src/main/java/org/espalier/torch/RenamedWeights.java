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

/** Weights under other names. */
final class RenamedWeights implements WeightSource {
  private final WeightSource source;
  private final Map<String, String> originals = new LinkedHashMap<>();

  RenamedWeights(WeightSource source, Function<String, String> rename) {
    this.source = source;
    for (String original : source.names()) {
      String clash = originals.put(rename.apply(original), original);
      if (clash != null) {
        throw EspalierException.config(
            "The tensors "
                + clash
                + " and "
                + original
                + " of "
                + source.location()
                + " stand for the same weight ("
                + rename.apply(original)
                + ").",
            "Maybe the file mixes two layouts; remove one of them.");
      }
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
    return originals.getOrDefault(name, name);
  }

  @Override
  public void close() {
    source.close();
  }
}
