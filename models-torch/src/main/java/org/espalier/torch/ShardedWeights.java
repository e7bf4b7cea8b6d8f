package org.espalier.torch;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.espalier.api.EspalierException;
import org.espalier.weights.ModelJson;
import org.jspecify.annotations.Nullable;

/**
 * Weights spread over several files, as a {@code *.safetensors.index.json} or {@code
 * *.bin.index.json} lists them. Shards lie in the folder of the index; of links only those that the
 * hub's cache makes, into its own store, lead out of it. Files that the index does not name are not
 * read.
 */
final class ShardedWeights implements WeightSource {
  private static final int MOST_SHARDS = 2000;

  private final Path index;
  private final Map<String, WeightSource> shards = new TreeMap<>();
  private final Map<String, WeightSource> shardOf = new LinkedHashMap<>();

  /** The index as it is written; its {@code metadata} is often wrong and not read. */
  private record Index(@Nullable Map<String, String> weightMap) {}

  ShardedWeights(Path index) {
    this.index = index;
    try {
      open();
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  private void open() {
    Map<String, String> map = ModelJson.read(index, Index.class).weightMap();
    if (map == null || map.isEmpty()) {
      throw malformed("has no weight_map");
    }
    requireShards(map);
    for (Map.Entry<String, String> entry : map.entrySet()) {
      String shardName = entry.getValue();
      WeightSource shard = shards.get(String.valueOf(shardName));
      if (shard == null) {
        if (shardName == null) {
          throw malformed("names no shard for the tensor " + entry.getKey());
        }
        if (shards.size() == MOST_SHARDS) {
          throw malformed("names more than " + MOST_SHARDS + " shards");
        }
        shard = openShard(shardName);
        shards.put(shardName, shard);
      }
      if (!shard.names().contains(entry.getKey())) {
        throw malformed(
            "says that "
                + shard.location()
                + " has the tensor "
                + entry.getKey()
                + ", but it does not");
      }
      shardOf.put(entry.getKey(), shard);
    }
  }

  /** All shards that are not there, in one error. */
  private void requireShards(Map<String, String> map) {
    Path folder = index.toAbsolutePath().getParent();
    Set<String> missing = new TreeSet<>();
    for (String name : map.values()) {
      if (folder != null && name != null && name.matches("[\\w.-]+")) {
        Path file = folder.resolve(name);
        if (!Files.isRegularFile(file)) {
          missing.add(file + (Files.isSymbolicLink(file) ? ", whose link leads nowhere" : ""));
        }
      }
    }
    if (!missing.isEmpty()) {
      throw malformed(
          missing.size() == 1
              ? "names a shard that does not exist (" + missing.iterator().next() + ")"
              : "names %d shards that do not exist (%s)"
                  .formatted(missing.size(), String.join("; ", missing)));
    }
  }

  private WeightSource openShard(String name) {
    Path folder = index.toAbsolutePath().getParent();
    Path file;
    try {
      Path relative = Path.of(name);
      file = folder == null ? relative : folder.resolve(relative).normalize();
      if (relative.isAbsolute() || folder == null || !file.startsWith(folder.normalize())) {
        throw malformed("names a shard outside of its folder (" + name + ")");
      }
    } catch (InvalidPathException e) {
      throw malformed("names a shard that cannot be a file (" + e.getReason() + ")");
    }
    if (name.endsWith(".index.json")) {
      throw malformed("names another index as a shard (" + name + ")");
    }
    if (!Files.isRegularFile(file)) {
      throw malformed("names a shard that does not exist (" + file + ")");
    }
    requireInside(folder, file);
    return WeightSource.open(file);
  }

  private void requireInside(Path folder, Path file) {
    try {
      Path real = file.toRealPath();
      if (real.startsWith(folder.toRealPath())) {
        return;
      }
      // models--ORG--NAME/snapshots/REVISION/... and models--ORG--NAME/blobs/HASH
      for (Path part = folder; part != null; part = part.getParent()) {
        Path name = part.getFileName();
        if (name != null && name.toString().equals("snapshots")) {
          Path blobs = part.resolveSibling("blobs");
          if (Files.isDirectory(blobs) && real.startsWith(blobs.toRealPath())) {
            return;
          }
        }
      }
      throw malformed("names a shard whose link leads out of its folder (" + file + ")");
    } catch (IOException e) {
      throw malformed("names a shard that cannot be read (" + file + ")");
    }
  }

  private EspalierException malformed(String what) {
    return EspalierException.config(
        "The index of weights " + index + " " + what + ".", "Maybe the download is not complete.");
  }

  @Override
  public Path location() {
    return index;
  }

  @Override
  public List<Path> files() {
    return shards.values().stream().map(WeightSource::location).toList();
  }

  @Override
  public Set<String> names() {
    return Collections.unmodifiableSet(shardOf.keySet());
  }

  @Override
  public TensorInfo info(String name) {
    return shard(name).info(name);
  }

  @Override
  public ByteBuffer slice(String name, long byteOffset, int byteCount) {
    return shard(name).slice(name, byteOffset, byteCount);
  }

  private WeightSource shard(String name) {
    WeightSource shard = shardOf.get(name);
    if (shard == null) {
      throw EspalierException.config(
          "The weights " + index + " have no tensor " + name + ".",
          Names.suggestion(name, names()));
    }
    return shard;
  }

  @Override
  public void close() {
    shards.values().forEach(WeightSource::close);
  }
}
