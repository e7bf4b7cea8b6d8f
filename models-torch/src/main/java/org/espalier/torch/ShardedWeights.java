package org.espalier.torch;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.espalier.api.EspalierException;

/** Weights spread over several files, as a {@code *.safetensors.index.json} lists them. */
final class ShardedWeights implements WeightSource {
  private final Path index;
  private final Map<String, SafetensorsFile> shards = new TreeMap<>();
  private final Map<String, SafetensorsFile> shardOf = new LinkedHashMap<>();

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
    JsonNode map;
    try {
      map = new ObjectMapper().readTree(index.toFile()).path("weight_map");
    } catch (IOException e) {
      throw malformed("is no JSON: " + e.getMessage());
    }
    if (!map.isObject() || map.isEmpty()) {
      throw malformed("has no weight_map");
    }
    Path directory = index.toAbsolutePath().getParent();
    for (Map.Entry<String, JsonNode> entry : map.properties()) {
      String shardName = entry.getValue().asText();
      Path file = directory == null ? Path.of(shardName) : directory.resolve(shardName);
      if (!Files.isRegularFile(file)) {
        throw malformed("names a shard that does not exist (" + file + ")");
      }
      SafetensorsFile shard = shards.get(shardName);
      if (shard == null) {
        shard = new SafetensorsFile(file);
        shards.put(shardName, shard);
      }
      if (!shard.names().contains(entry.getKey())) {
        throw malformed("says that " + file + " has the tensor " + entry.getKey() + ": it has not");
      }
      shardOf.put(entry.getKey(), shard);
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
    return shards.values().stream().map(SafetensorsFile::location).toList();
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

  private SafetensorsFile shard(String name) {
    SafetensorsFile shard = shardOf.get(name);
    if (shard == null) {
      throw EspalierException.config(
          "The weights " + index + " have no tensor " + name + ".",
          Names.suggestion(name, names()));
    }
    return shard;
  }

  @Override
  public void close() {
    shards.values().forEach(SafetensorsFile::close);
  }
}
