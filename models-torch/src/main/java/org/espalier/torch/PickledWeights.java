package org.espalier.torch;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.commons.compress.archivers.zip.ZipArchiveEntry;
import org.apache.commons.compress.archivers.zip.ZipFile;
import org.espalier.api.EspalierException;
import org.espalier.weights.ReadLog;
import org.jspecify.annotations.Nullable;

/**
 * Weights that PyTorch has saved: since 1.6 a zip archive with a pickle and one stored entry a
 * storage, before that, or where it was asked to, pickles one after the other with the storages
 * behind them. The pickle is read as data ({@link PickleReader}); tensors of nested dictionaries
 * are named by their path ({@code vae.decoder.conv_in.weight}); anything but tensors and
 * dictionaries is skipped.
 */
final class PickledWeights implements WeightSource {
  /** Bytes of the pickle, unpacked; a checkpoint of 10,000 tensors has 2 million. */
  private static final int LARGEST_PICKLE = 64 << 20;

  private static final int DEEPEST = 16;
  private static final int MOST_ENTRIES = 500_000;
  private static final int LONGEST_NAME = 1024;

  private final Path path;
  private final MappedFile file;
  private final Map<String, Stored> tensors = new TreeMap<>();
  private int entries;

  /** What files of the old form begin with: a pickle of their magic number. */
  private static final byte[] OLD_MAGIC = HexFormat.of().parseHex("80028a0a6cfc9c46f9206aa850192e");

  /** A tensor as found: where its first byte lies in the file. */
  private record Stored(TensorInfo info, long begin) {}

  /** Where the values of a storage lie in the file: first byte and length. */
  private record Extent(long begin, long size) {}

  /** Finds storages. */
  @FunctionalInterface
  private interface Storages {
    /**
     * Finds a storage.
     *
     * @param tensor for messages
     * @param key of the storage
     */
    Extent find(String tensor, String key) throws IOException;
  }

  PickledWeights(Path path) {
    this.path = path;
    this.file = new MappedFile(path);
    ReadLog.file(path, "PyTorch archive");
    try {
      if (isOld()) {
        readOld();
      } else {
        readArchive();
      }
      if (tensors.isEmpty()) {
        throw malformed("has no tensors");
      }
    } catch (EspalierException e) {
      file.close();
      throw e;
    } catch (IOException | RuntimeException e) {
      file.close();
      throw new EspalierException(
          EspalierException.Code.CONFIG,
          "The weights file "
              + path
              + " cannot be read as a PyTorch archive: "
              + e.getMessage()
              + ".",
          "Maybe it is truncated or no checkpoint; save it again, best as safetensors.",
          e);
    }
  }

  private boolean isOld() {
    if (file.size() < OLD_MAGIC.length) {
      return false;
    }
    byte[] start = new byte[OLD_MAGIC.length];
    file.map(0, start.length).get(start);
    return Arrays.equals(start, OLD_MAGIC);
  }

  /**
   * Pickles of magic number, version, machine, content and keys; then length and values of each.
   */
  private void readOld() throws IOException {
    ByteBuffer in = file.map(0, Math.min(file.size(), LARGEST_PICKLE));
    PickleReader.read(in, this::malformed);
    PickleReader.read(in, this::malformed);
    if (PickleReader.read(in, this::malformed) instanceof Map<?, ?> machine
        && Boolean.FALSE.equals(machine.get("little_endian"))) {
      throw malformed("was saved on a machine of the byte order big");
    }
    Map<String, DType> types = new HashMap<>();
    Object top =
        PickleReader.read(
            in, this::malformed, storage -> types.put(storage.key(), storage.dtype()));
    if (!(PickleReader.read(in, this::malformed) instanceof List<?> keys)) {
      throw malformed("does not say in which order its values lie");
    }
    Map<String, Extent> extents = new HashMap<>();
    long at = in.position();
    for (Object key : keys) {
      DType type = types.get(String.valueOf(key));
      if (type == null || at > file.size() - 8) {
        throw malformed("is truncated or damaged at the storage " + key);
      }
      long count = file.map(at, 8).getLong();
      long room = file.size() - at - 8;
      if (count < 0 || count > room / type.bytes()) {
        throw malformed("is truncated or damaged at the storage " + key);
      }
      extents.put(String.valueOf(key), new Extent(at + 8, count * type.bytes()));
      at += 8 + count * type.bytes();
    }
    collect(
        "",
        top,
        (tensor, key) -> {
          Extent extent = extents.get(key);
          if (extent == null) {
            throw malformed("lacks the data of tensor " + tensor);
          }
          return extent;
        },
        0);
  }

  private void readArchive() throws IOException {
    try (ZipFile zip = ZipFile.builder().setPath(path).get()) {
      ZipArchiveEntry pickle = null;
      for (ZipArchiveEntry entry : Collections.list(zip.getEntries())) {
        if (entry.getName().equals("data.pkl") || entry.getName().endsWith("/data.pkl")) {
          if (pickle != null) {
            throw malformed("has two pickles (" + pickle.getName() + ", " + entry.getName() + ")");
          }
          pickle = entry;
        }
      }
      if (pickle == null) {
        throw malformed("has no data.pkl");
      }
      String root = pickle.getName().substring(0, pickle.getName().length() - "data.pkl".length());
      requireLittleEndian(zip, root);
      Object top =
          PickleReader.read(ByteBuffer.wrap(content(zip, pickle, LARGEST_PICKLE)), this::malformed);
      collect("", top, (tensor, key) -> extent(zip, root, tensor, key), 0);
    }
  }

  /** The bytes of an entry, which may say anything of its unpacked size. */
  private byte[] content(ZipFile zip, ZipArchiveEntry entry, int most) throws IOException {
    try (InputStream in = zip.getInputStream(entry)) {
      byte[] bytes = in.readNBytes(most + 1);
      if (bytes.length > most) {
        throw malformed("has an entry " + entry.getName() + " of more than " + most + " bytes");
      }
      return bytes;
    }
  }

  private void requireLittleEndian(ZipFile zip, String root) throws IOException {
    ZipArchiveEntry order = zip.getEntry(root + "byteorder");
    if (order != null) {
      String text = new String(content(zip, order, 64), StandardCharsets.US_ASCII).strip();
      if (!text.equals("little")) {
        throw malformed("was saved on a machine of the byte order " + text);
      }
    }
  }

  private void collect(String name, @Nullable Object value, Storages storages, int depth)
      throws IOException {
    if (++entries > MOST_ENTRIES) {
      throw malformed("has more than " + MOST_ENTRIES + " entries");
    }
    if (value instanceof Map<?, ?> map) {
      if (depth == DEEPEST) {
        throw malformed("has dictionaries within one another more than " + DEEPEST + " deep");
      }
      for (Map.Entry<?, ?> entry : map.entrySet()) {
        String child = String.valueOf(entry.getKey());
        if (name.length() + child.length() >= LONGEST_NAME) {
          throw malformed("has a name of more than " + LONGEST_NAME + " characters");
        }
        collect(name.isEmpty() ? child : name + "." + child, entry.getValue(), storages, depth + 1);
      }
    } else if (value instanceof PickleReader.Tensor tensor) {
      if (tensors.put(name, locate(name, tensor, storages)) != null) {
        throw malformed("has two tensors of the name " + name);
      }
    }
  }

  private Stored locate(String name, PickleReader.Tensor tensor, Storages storages)
      throws IOException {
    DType dtype = tensor.storage().dtype();
    TensorInfo info;
    long bytes;
    try {
      info = new TensorInfo(dtype, tensor.shape());
      bytes = info.bytes();
    } catch (ArithmeticException e) {
      throw malformed("has a tensor " + name + " with an impossible shape " + tensor.shape());
    }
    if (tensor.shape().stream().anyMatch(size -> size < 0)
        || tensor.strides().size() != tensor.shape().size()) {
      throw malformed("has a tensor " + name + " with an impossible shape " + tensor.shape());
    }
    long dense = 1;
    for (int axis = tensor.shape().size() - 1; axis >= 0; axis--) {
      if (tensor.shape().get(axis) != 1 && tensor.strides().get(axis) != dense) {
        throw malformed("has a tensor " + name + " that is not contiguous");
      }
      dense *= tensor.shape().get(axis);
    }
    Extent extent = storages.find(name, tensor.storage().key());
    long size = extent.size;
    if (bytes > size || tensor.offset() < 0 || tensor.offset() > (size - bytes) / dtype.bytes()) {
      throw malformed(
          "has a tensor %s of %d bytes from element %d on, outside of its storage of %d bytes"
                  .formatted(name, bytes, tensor.offset(), size)
              + ": it is truncated or damaged");
    }
    return new Stored(info, extent.begin + tensor.offset() * dtype.bytes());
  }

  private Extent extent(ZipFile zip, String root, String name, String key) throws IOException {
    ZipArchiveEntry entry = zip.getEntry(root + "data/" + key);
    if (entry == null) {
      throw malformed("lacks the data of tensor " + name);
    }
    if (entry.getMethod() != ZipArchiveEntry.STORED) {
      throw malformed("has compressed data (tensor " + name + ")");
    }
    zip.getRawInputStream(entry).close(); // resolves the data offset
    long begin = entry.getDataOffset();
    long size = entry.getCompressedSize();
    if (begin < 0 || size < 0 || size > file.size() || begin > file.size() - size) {
      throw malformed("is truncated at tensor " + name);
    }
    return new Extent(begin, size);
  }

  private EspalierException malformed(String what) {
    return EspalierException.config(
        "The weights file " + path + " " + what + ".",
        "Maybe download it again, or save its bare state dictionary (model.state_dict()) as"
            + " safetensors.");
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
    return Collections.unmodifiableSet(tensors.keySet());
  }

  @Override
  public TensorInfo info(String name) {
    return stored(name).info;
  }

  @Override
  public ByteBuffer slice(String name, long byteOffset, int byteCount) {
    Stored stored = stored(name);
    WeightSource.requireWithin(name, byteOffset, byteCount, stored.info.bytes());
    return file.map(stored.begin + byteOffset, byteCount);
  }

  private Stored stored(String name) {
    Stored stored = tensors.get(name);
    if (stored == null) {
      throw EspalierException.config(
          "The weights file " + path + " has no tensor " + name + ".",
          Names.suggestion(name, names()));
    }
    return stored;
  }

  @Override
  public void close() {
    file.close();
  }
}
