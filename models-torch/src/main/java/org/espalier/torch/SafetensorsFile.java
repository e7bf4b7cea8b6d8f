package org.espalier.torch;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.espalier.api.EspalierException;

/**
 * A file in the <a href="https://github.com/huggingface/safetensors#format">safetensors format</a>:
 * eight bytes with the length of a JSON header, the header, then the tensors. The header is checked
 * in full when the file is opened.
 */
public final class SafetensorsFile implements WeightSource {
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION);
  private static final long LARGEST_HEADER = 100_000_000; // the format's own limit

  private final Path path;
  private final MappedFile file;
  private final Map<String, Entry> entries = new LinkedHashMap<>();
  private final Map<String, String> metadata = new LinkedHashMap<>();

  private record Entry(String name, TensorInfo info, long begin, long end) {}

  /**
   * Opens a file and checks its header.
   *
   * @param path the file
   * @throws EspalierException CONFIG where it is missing, truncated or malformed
   */
  public SafetensorsFile(Path path) {
    this.path = path;
    this.file = new MappedFile(path);
    try {
      readHeader();
    } catch (RuntimeException e) {
      file.close();
      throw e;
    }
  }

  private void readHeader() {
    if (file.size() < 8) {
      throw malformed("is truncated: it has " + file.size() + " bytes");
    }
    long length = file.map(0, 8).getLong();
    if (length < 2 || length > LARGEST_HEADER || 8 + length > file.size()) {
      throw malformed(
          "is truncated or not a safetensors file: its header claims %d bytes of %d"
              .formatted(length, file.size()));
    }
    byte[] text = new byte[(int) length];
    file.map(8, length).get(text);
    JsonNode header;
    try {
      header = JSON.readTree(text);
    } catch (IOException e) {
      throw malformed("has a header that is no JSON");
    }
    if (!header.isObject()) {
      throw malformed("has a header that is no JSON object");
    }
    long dataStart = 8 + length;
    for (Map.Entry<String, JsonNode> field : header.properties()) {
      if (field.getKey().equals("__metadata__")) {
        field.getValue().properties().forEach(e -> metadata.put(e.getKey(), e.getValue().asText()));
      } else {
        entries.put(field.getKey(), entry(field.getKey(), field.getValue(), dataStart));
      }
    }
    List<Entry> byPosition = new ArrayList<>(entries.values());
    byPosition.sort(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end));
    for (int i = 1; i < byPosition.size(); i++) {
      Entry previous = byPosition.get(i - 1);
      Entry entry = byPosition.get(i);
      if (entry.begin < previous.end) {
        throw malformed("has overlapping tensors " + previous.name + " and " + entry.name);
      }
    }
  }

  private Entry entry(String name, JsonNode node, long dataStart) {
    DType dtype =
        DType.of(node.path("dtype").asText())
            .orElseThrow(
                () ->
                    malformed(
                        "has a tensor "
                            + name
                            + " of an unknown dtype ("
                            + node.path("dtype").asText()
                            + ")"));
    List<Long> shape = new ArrayList<>();
    for (JsonNode size : node.path("shape")) {
      if (!size.isIntegralNumber() || size.asLong() < 0) {
        throw malformed("has a tensor " + name + " with a bad shape " + node.path("shape"));
      }
      shape.add(size.asLong());
    }
    JsonNode offsets = node.path("data_offsets");
    if (!node.path("shape").isArray()
        || offsets.size() != 2
        || !offsets.get(0).isIntegralNumber()
        || !offsets.get(1).isIntegralNumber()) {
      throw malformed("has a tensor " + name + " without shape or data_offsets");
    }
    long begin = offsets.get(0).asLong();
    long end = offsets.get(1).asLong();
    TensorInfo info = new TensorInfo(dtype, shape);
    long bytes;
    try {
      bytes = info.bytes();
    } catch (ArithmeticException e) {
      throw malformed("has a tensor " + name + " with an impossible shape " + shape);
    }
    if (begin < 0 || end < begin || end - begin != bytes) {
      throw malformed(
          "has a tensor %s whose offsets [%d, %d] do not hold its %d bytes (%s %s)"
              .formatted(name, begin, end, bytes, dtype, shape));
    }
    if (end > file.size() - dataStart) {
      throw malformed(
          "is truncated: tensor %s ends at byte %d of %d"
              .formatted(name, dataStart + end, file.size()));
    }
    return new Entry(name, info, dataStart + begin, dataStart + end);
  }

  private EspalierException malformed(String what) {
    return EspalierException.config(
        "The weights file " + path + " " + what + ".", "Maybe download it again.");
  }

  /** The header's {@code __metadata__}; empty where there is none. */
  public Map<String, String> metadata() {
    return Collections.unmodifiableMap(metadata);
  }

  @Override
  public Path location() {
    return path;
  }

  @Override
  public List<Path> files() {
    return List.of(path);
  }

  @Override
  public Set<String> names() {
    return Collections.unmodifiableSet(entries.keySet());
  }

  @Override
  public TensorInfo info(String name) {
    return entry(name).info;
  }

  @Override
  public ByteBuffer slice(String name, long byteOffset, int byteCount) {
    Entry entry = entry(name);
    if (byteOffset < 0 || byteOffset + byteCount > entry.end - entry.begin) {
      throw new IllegalArgumentException(
          "bytes %d + %d of tensor %s".formatted(byteOffset, byteCount, name));
    }
    return file.map(entry.begin + byteOffset, byteCount);
  }

  private Entry entry(String name) {
    Entry entry = entries.get(name);
    if (entry == null) {
      throw EspalierException.config(
          "The weights file " + path + " has no tensor " + name + ".",
          Names.suggestion(name, names()));
    }
    return entry;
  }

  @Override
  public void close() {
    file.close();
  }
}
