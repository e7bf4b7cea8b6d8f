package org.espalier.torch;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.commons.compress.archivers.zip.ZipArchiveEntry;
import org.apache.commons.compress.archivers.zip.ZipFile;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * Weights that PyTorch 1.6 or later has saved: a zip archive with a pickle and one stored entry a
 * storage. The pickle is read as data ({@link PickleReader}); tensors of nested dictionaries are
 * named by their path ({@code vae.decoder.conv_in.weight}); anything but tensors and dictionaries
 * is skipped.
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

  /** A tensor as found: where its first byte lies in the file. */
  private record Stored(TensorInfo info, long begin) {}

  PickledWeights(Path path) {
    this.path = path;
    this.file = new MappedFile(path);
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
      Object top = PickleReader.read(content(zip, pickle, LARGEST_PICKLE), this::malformed);
      collect("", top, zip, root, 0);
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
          "Maybe it is truncated, or of PyTorch before 1.6; save it again, best as safetensors.",
          e);
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

  private void collect(String name, @Nullable Object value, ZipFile zip, String root, int depth)
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
        collect(
            name.isEmpty() ? child : name + "." + child, entry.getValue(), zip, root, depth + 1);
      }
    } else if (value instanceof PickleReader.Tensor tensor) {
      if (tensors.put(name, locate(name, tensor, zip, root)) != null) {
        throw malformed("has two tensors of the name " + name);
      }
    }
  }

  private Stored locate(String name, PickleReader.Tensor tensor, ZipFile zip, String root)
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
    ZipArchiveEntry entry = zip.getEntry(root + "data/" + tensor.storage().key());
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
    if (bytes > size || tensor.offset() < 0 || tensor.offset() > (size - bytes) / dtype.bytes()) {
      throw malformed(
          "has a tensor %s of %d bytes from element %d on, outside of its storage of %d bytes"
                  .formatted(name, bytes, tensor.offset(), size)
              + ": it is truncated or damaged");
    }
    return new Stored(info, begin + tensor.offset() * dtype.bytes());
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
