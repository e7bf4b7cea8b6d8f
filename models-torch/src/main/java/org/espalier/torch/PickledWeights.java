package org.espalier.torch;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import net.razorvine.pickle.IObjectConstructor;
import net.razorvine.pickle.PickleException;
import net.razorvine.pickle.PickleUtils;
import net.razorvine.pickle.Unpickler;
import org.apache.commons.compress.archivers.zip.ZipArchiveEntry;
import org.apache.commons.compress.archivers.zip.ZipFile;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * Weights that PyTorch 1.6 or later has saved: a zip archive with a pickle and one stored entry a
 * storage. Only the classes of a short list are unpickled, none of which runs code; tensors of
 * nested dictionaries are named by their path ({@code vae.decoder.conv_in.weight}); anything but
 * tensors and dictionaries is skipped.
 */
final class PickledWeights implements WeightSource {
  private static final Map<String, DType> STORAGES =
      Map.of(
          "DoubleStorage", DType.F64,
          "FloatStorage", DType.F32,
          "HalfStorage", DType.F16,
          "BFloat16Storage", DType.BF16,
          "LongStorage", DType.I64,
          "IntStorage", DType.I32,
          "ShortStorage", DType.I16,
          "CharStorage", DType.I8,
          "ByteStorage", DType.U8,
          "BoolStorage", DType.BOOL);

  private final Path path;
  private final MappedFile file;
  private final Map<String, Stored> tensors = new TreeMap<>();

  /** A tensor as pickled: a view of a storage. */
  private record Pickled(Storage storage, long offset, List<Long> shape, List<Long> strides) {}

  private record Storage(DType dtype, String key) {}

  /** A tensor as found: where its first byte lies in the file. */
  private record Stored(TensorInfo info, long begin) {}

  PickledWeights(Path path) {
    this.path = path;
    this.file = new MappedFile(path);
    try (ZipFile zip = ZipFile.builder().setPath(path).get()) {
      ZipArchiveEntry pickle = null;
      for (ZipArchiveEntry entry : Collections.list(zip.getEntries())) {
        if (entry.getName().equals("data.pkl") || entry.getName().endsWith("/data.pkl")) {
          pickle = entry;
        }
      }
      if (pickle == null) {
        throw malformed("has no data.pkl");
      }
      String root = pickle.getName().substring(0, pickle.getName().length() - "data.pkl".length());
      Object top;
      try (InputStream in = zip.getInputStream(pickle)) {
        top = new Restricted().load(in);
      }
      collect("", top, zip, root);
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

  private void collect(String name, @Nullable Object value, ZipFile zip, String root)
      throws IOException {
    if (value instanceof Map<?, ?> map) {
      for (Map.Entry<?, ?> entry : map.entrySet()) {
        String child = String.valueOf(entry.getKey());
        collect(name.isEmpty() ? child : name + "." + child, entry.getValue(), zip, root);
      }
    } else if (value instanceof Pickled tensor) {
      tensors.put(name, locate(name, tensor, zip, root));
    }
  }

  private Stored locate(String name, Pickled tensor, ZipFile zip, String root) throws IOException {
    TensorInfo info = new TensorInfo(tensor.storage.dtype, tensor.shape);
    long dense = 1;
    for (int axis = tensor.shape.size() - 1; axis >= 0; axis--) {
      if (tensor.shape.get(axis) != 1 && tensor.strides.get(axis) != dense) {
        throw malformed("has a tensor " + name + " that is not contiguous");
      }
      dense *= tensor.shape.get(axis);
    }
    ZipArchiveEntry entry = zip.getEntry(root + "data/" + tensor.storage.key);
    if (entry == null) {
      throw malformed("lacks the data of tensor " + name);
    }
    if (entry.getMethod() != ZipArchiveEntry.STORED) {
      throw malformed("has compressed data (tensor " + name + ")");
    }
    zip.getRawInputStream(entry).close(); // resolves the data offset
    long skip = tensor.offset * tensor.storage.dtype.bytes();
    if (skip + info.bytes() > entry.getSize()
        || entry.getDataOffset() + entry.getSize() > file.size()) {
      throw malformed("is truncated at tensor " + name);
    }
    return new Stored(info, entry.getDataOffset() + skip);
  }

  private EspalierException malformed(String what) {
    return EspalierException.config(
        "The weights file " + path + " " + what + ".",
        "Maybe download it again, or save its state dictionary as safetensors.");
  }

  /** Knows the few classes that tensors need and refuses all others. */
  private final class Restricted extends Unpickler {
    @Override
    protected Object dispatch(short opcode) throws PickleException, IOException {
      switch (opcode) {
        case 'c' -> {
          String module = PickleUtils.readline(input);
          stack.add(constructor(module, PickleUtils.readline(input)));
          return NO_RETURN_VALUE;
        }
        case 0x93 -> {
          String name = (String) stack.pop();
          stack.add(constructor((String) stack.pop(), name));
          return NO_RETURN_VALUE;
        }
        case 'i', 'o', 0x82, 0x83, 0x84 ->
            throw malformed("has a pickle with old-style objects (opcode " + opcode + ")");
        default -> {
          return super.dispatch(opcode);
        }
      }
    }

    @Override
    protected Object persistentLoad(Object id) {
      Object[] parts = (Object[]) id;
      if (parts.length < 3
          || !"storage".equals(parts[0])
          || !(parts[1] instanceof StorageClass c)) {
        throw malformed("refers to something that is no storage: " + Arrays.toString(parts));
      }
      return new Storage(c.dtype, String.valueOf(parts[2]));
    }
  }

  private IObjectConstructor constructor(String module, String name) {
    DType dtype = STORAGES.get(name);
    if (module.equals("torch") && dtype != null) {
      return new StorageClass(dtype);
    }
    return switch (module + "." + name) {
      case "torch._utils._rebuild_tensor_v2" ->
          args ->
              new Pickled(
                  (Storage) args[0],
                  ((Number) args[1]).longValue(),
                  sizes(args[2]),
                  sizes(args[3]));
      case "torch._utils._rebuild_parameter" -> args -> args[0];
      case "collections.OrderedDict" -> args -> new Dictionary();
      case "torch.Size" -> args -> args[0];
      default ->
          throw EspalierException.config(
              "The weights file "
                  + path
                  + " holds an object of the class "
                  + module
                  + "."
                  + name
                  + ", which is not loaded because unpickling it could run code.",
              "Maybe save the bare state dictionary (model.state_dict()), best as safetensors.");
    };
  }

  private static List<Long> sizes(Object value) {
    List<Long> sizes = new ArrayList<>();
    for (Object size : value instanceof List<?> list ? list.toArray() : (Object[]) value) {
      sizes.add(((Number) size).longValue());
    }
    return sizes;
  }

  private record StorageClass(DType dtype) implements IObjectConstructor {
    @Override
    public Object construct(Object[] args) {
      throw new PickleException("a storage outside of a persistent id");
    }
  }

  /** An OrderedDict; public so that the unpickler can hand it its attributes, which are dropped. */
  public static final class Dictionary extends LinkedHashMap<Object, Object> {
    private static final long serialVersionUID = 1L;

    /**
     * Drops {@code _metadata}.
     *
     * @param attributes of the Python object
     */
    @SuppressWarnings({"checkstyle:MethodName", "MethodName"})
    public void __setstate__(HashMap<?, ?> attributes) {}
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
    if (byteOffset < 0 || byteOffset + byteCount > stored.info.bytes()) {
      throw new IllegalArgumentException(
          "bytes %d + %d of tensor %s".formatted(byteOffset, byteCount, name));
    }
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
