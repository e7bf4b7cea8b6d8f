package org.espalier.torch;

import com.fasterxml.jackson.annotation.JsonAnySetter;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.espalier.api.EspalierException;
import org.espalier.weights.ModelJson;
import org.espalier.weights.ReadLog;

/**
 * A file in the <a href="https://github.com/huggingface/safetensors#format">safetensors format</a>:
 * eight bytes with the length of a JSON header, the header, then the tensors, one behind the other
 * without gaps up to the end of the file. The header is checked in full when the file is opened.
 */
public final class SafetensorsFile implements WeightSource {
  /** Bytes of a header; the format allows 100 MB, published files have less than two. */
  private static final long LARGEST_HEADER = 32L << 20;

  private static final byte[] LFS_POINTER =
      "version https://git-lfs".getBytes(StandardCharsets.US_ASCII);

  private final Path path;
  private final MappedFile file;
  private final Map<String, Entry> entries = new LinkedHashMap<>();
  private final Map<String, String> metadata = new LinkedHashMap<>();

  private record Entry(String name, TensorInfo info, long begin, long end) {}

  /** The header as it is written. */
  private static final class Header {
    @JsonProperty("__metadata__")
    Map<String, String> metadata = Map.of();

    @JsonAnySetter Map<String, Described> tensors = new LinkedHashMap<>();
  }

  /** One tensor as the header describes it. */
  private record Described(String dtype, long[] shape, long[] dataOffsets) {}

  /**
   * Opens a file and checks its header.
   *
   * @param path the file
   * @throws EspalierException CONFIG where it is missing, truncated or malformed
   */
  public SafetensorsFile(Path path) {
    this.path = path;
    this.file = new MappedFile(path);
    ReadLog.file(path, "safetensors");
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
    if (length < 2 || length > LARGEST_HEADER || length > file.size() - 8) {
      throw malformed(
          isLfsPointer()
              ? "is a pointer of Git LFS, not the file itself"
              : length == 0
                  ? "begins with zeros: its download was interrupted"
                  : "is truncated or not a safetensors file: its header claims %d bytes of %d"
                      .formatted(length, file.size()));
    }
    byte[] text = new byte[(int) length];
    file.map(8, length).get(text);
    Header header = ModelJson.parse(text, Header.class, "The header of the weights file " + path);
    long dataStart = 8 + length;
    if (header.metadata != null) {
      metadata.putAll(header.metadata);
    }
    header.tensors.forEach((name, tensor) -> entries.put(name, entry(name, tensor, dataStart)));
    requireWithoutGaps(dataStart);
  }

  private boolean isLfsPointer() {
    if (file.size() < LFS_POINTER.length) {
      return false;
    }
    byte[] start = new byte[LFS_POINTER.length];
    file.map(0, start.length).get(start);
    return Arrays.equals(start, LFS_POINTER);
  }

  /**
   * As the reference parser: what no tensor covers was not written by a program that saves them.
   */
  private void requireWithoutGaps(long dataStart) {
    List<Entry> byPosition = new ArrayList<>(entries.values());
    byPosition.sort(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end));
    long end = dataStart;
    String previous = "";
    for (Entry entry : byPosition) {
      if (entry.begin < end) {
        throw malformed("has overlapping tensors " + previous + " and " + entry.name);
      }
      if (entry.begin > end) {
        throw malformed(
            "has %d bytes before the tensor %s that belong to none"
                .formatted(entry.begin - end, entry.name));
      }
      end = entry.end;
      previous = entry.name;
    }
    if (end < file.size()) {
      throw malformed(
          "has %d bytes behind its last tensor that belong to none".formatted(file.size() - end));
    }
  }

  private Entry entry(String name, Described tensor, long dataStart) {
    if (tensor == null || tensor.dtype == null) {
      throw malformed("has a tensor " + name + " without dtype");
    }
    DType dtype =
        DType.of(tensor.dtype)
            .orElseThrow(
                () ->
                    malformed(
                        "has a tensor " + name + " of an unknown dtype (" + tensor.dtype + ")"));
    if (tensor.shape == null || tensor.dataOffsets == null || tensor.dataOffsets.length != 2) {
      throw malformed("has a tensor " + name + " without shape or data_offsets");
    }
    List<Long> shape = new ArrayList<>();
    for (long size : tensor.shape) {
      if (size < 0) {
        throw malformed("has a tensor " + name + " with a negative size (" + size + ")");
      }
      shape.add(size);
    }
    long begin = tensor.dataOffsets[0];
    long end = tensor.dataOffsets[1];
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
          "is truncated: tensor %s ends %d bytes behind its end"
              .formatted(name, end - (file.size() - dataStart)));
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
    WeightSource.requireWithin(name, byteOffset, byteCount, entry.end - entry.begin);
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
