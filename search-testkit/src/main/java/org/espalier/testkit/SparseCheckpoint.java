package org.espalier.testkit;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Writes checkpoints of full size that take hardly any disk: headers, pickles and indices are real,
 * the tensors are holes of a sparse file, and so are zeros. For tests that published layouts are
 * found, understood and checked without having gigabytes of weights.
 */
public final class SparseCheckpoint {
  private static final Map<String, Integer> BYTES = Map.of("F32", 4, "BF16", 2, "F16", 2);
  private static final Map<String, String> STORAGES =
      Map.of("F32", "FloatStorage", "BF16", "BFloat16Storage", "F16", "HalfStorage");
  private static final int ZIP64 = -1;

  private SparseCheckpoint() {}

  /**
   * A safetensors file.
   *
   * @param file the file
   * @param shapes sizes by key
   * @param dtype {@code F32}, {@code BF16} or {@code F16}
   */
  public static void safetensors(Path file, Map<String, List<Long>> shapes, String dtype) {
    StringBuilder header = new StringBuilder("{");
    long end = 0;
    for (Map.Entry<String, List<Long>> tensor : shapes.entrySet()) {
      long begin = end;
      end += bytes(tensor.getValue(), dtype);
      header
          .append(header.length() == 1 ? "" : ",")
          .append('"')
          .append(tensor.getKey())
          .append("\":{\"dtype\":\"")
          .append(dtype)
          .append("\",\"shape\":")
          .append(tensor.getValue().toString().replace(" ", ""))
          .append(",\"data_offsets\":[")
          .append(begin)
          .append(',')
          .append(end)
          .append("]}");
    }
    byte[] json = header.append('}').toString().getBytes(StandardCharsets.UTF_8);
    try (FileChannel out = open(file)) {
      write(out, 0, little(8).putLong(json.length).flip());
      write(out, 8, ByteBuffer.wrap(json));
      extend(out, 8 + json.length + end);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * Shards of about equal size with their index.
   *
   * @param directory where they lie
   * @param stem {@code model}, {@code diffusion_pytorch_model} or {@code pytorch_model}
   * @param extension {@code safetensors} or {@code bin}
   * @param shapes sizes by key
   * @param dtype {@code F32}, {@code BF16} or {@code F16}
   * @param count how many shards
   */
  public static void shards(
      Path directory,
      String stem,
      String extension,
      Map<String, List<Long>> shapes,
      String dtype,
      int count) {
    List<Map.Entry<String, List<Long>>> all = new ArrayList<>(shapes.entrySet());
    StringBuilder map = new StringBuilder();
    for (int i = 0; i < count; i++) {
      String name = "%s-%05d-of-%05d.%s".formatted(stem, i + 1, count, extension);
      Map<String, List<Long>> part = new LinkedHashMap<>();
      for (int at = all.size() * i / count; at < all.size() * (i + 1) / count; at++) {
        part.put(all.get(at).getKey(), all.get(at).getValue());
        map.append(map.length() == 0 ? "" : ",")
            .append('"')
            .append(all.get(at).getKey())
            .append("\":\"")
            .append(name)
            .append('"');
      }
      if (extension.equals("bin")) {
        pth(directory.resolve(name), part, dtype);
      } else {
        safetensors(directory.resolve(name), part, dtype);
      }
    }
    try {
      Files.writeString(
          directory.resolve(stem + "." + extension + ".index.json"),
          "{\"metadata\":{\"total_size\":0},\"weight_map\":{" + map + "}}");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * A file as {@code torch.save} writes it: a zip archive with 64-bit sizes, a pickle and an entry
   * a tensor. Checksums are left at zero.
   *
   * @param file the file
   * @param shapes sizes by key
   * @param dtype {@code F32}, {@code BF16} or {@code F16}
   * @param wrappers dictionaries around the tensors, the outermost first
   */
  public static void pth(
      Path file, Map<String, List<Long>> shapes, String dtype, String... wrappers) {
    try (FileChannel out = open(file)) {
      ByteArrayOutputStream directory = new ByteArrayOutputStream();
      byte[] pickle = pickle(shapes, dtype, wrappers);
      long at = entry(out, 0, directory, "archive/data.pkl", pickle.length);
      write(out, at - pickle.length, ByteBuffer.wrap(pickle));
      int index = 0;
      for (List<Long> shape : shapes.values()) {
        at = entry(out, at, directory, "archive/data/" + index++, bytes(shape, dtype));
      }
      byte[] central = directory.toByteArray();
      extend(out, at);
      write(out, at, ByteBuffer.wrap(central));
      int count = index + 1;
      ByteBuffer end = little(56 + 20 + 22);
      end.putInt(0x06064b50).putLong(44).putShort((short) 45).putShort((short) 45);
      end.putInt(0).putInt(0).putLong(count).putLong(count).putLong(central.length).putLong(at);
      end.putInt(0x07064b50).putInt(0).putLong(at + central.length).putInt(1);
      end.putInt(0x06054b50).putInt(0).putShort((short) -1).putShort((short) -1);
      end.putInt(ZIP64).putInt(ZIP64).putShort((short) 0);
      write(out, at + central.length, end.flip());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Writes the head of an entry and notes it in the directory; gives where the entry ends. */
  private static long entry(
      FileChannel out, long at, ByteArrayOutputStream directory, String name, long size)
      throws IOException {
    byte[] text = name.getBytes(StandardCharsets.UTF_8);
    ByteBuffer local = little(30 + text.length + 20);
    local.putInt(0x04034b50).putShort((short) 45).putShort((short) 0).putShort((short) 0);
    local.putInt(0).putInt(0).putInt(ZIP64).putInt(ZIP64);
    local.putShort((short) text.length).putShort((short) 20).put(text);
    local.putShort((short) 1).putShort((short) 16).putLong(size).putLong(size);
    int head = local.capacity();
    write(out, at, local.flip());
    ByteBuffer central = little(46 + text.length + 28);
    central.putInt(0x02014b50).putShort((short) 45).putShort((short) 45);
    central.putShort((short) 0).putShort((short) 0).putInt(0).putInt(0);
    central.putInt(ZIP64).putInt(ZIP64).putShort((short) text.length).putShort((short) 28);
    central.putShort((short) 0).putShort((short) 0).putShort((short) 0).putInt(0).putInt(ZIP64);
    central.put(text);
    central.putShort((short) 1).putShort((short) 24).putLong(size).putLong(size).putLong(at);
    directory.writeBytes(central.array());
    return at + head + size;
  }

  private static byte[] pickle(Map<String, List<Long>> shapes, String dtype, String... wrappers) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(new byte[] {(byte) 0x80, 2});
    for (String wrapper : wrappers) {
      out.write('}');
      text(out, wrapper);
    }
    out.write('}');
    int index = 0;
    for (Map.Entry<String, List<Long>> tensor : shapes.entrySet()) {
      text(out, tensor.getKey());
      global(out, "torch._utils", "_rebuild_tensor_v2");
      out.writeBytes(new byte[] {'(', '('});
      text(out, "storage");
      global(out, "torch", STORAGES.getOrDefault(dtype, "FloatStorage"));
      text(out, String.valueOf(index++));
      text(out, "cpu");
      number(out, tensor.getValue().stream().reduce(1L, (a, b) -> a * b));
      out.writeBytes(new byte[] {'t', 'Q', 'K', 0, '('});
      tensor.getValue().forEach(size -> number(out, size));
      out.writeBytes(new byte[] {'t', '('});
      long stride = tensor.getValue().stream().reduce(1L, (a, b) -> a * b);
      for (long size : tensor.getValue()) {
        stride /= size;
        number(out, stride);
      }
      out.writeBytes(new byte[] {'t', (byte) 0x89});
      global(out, "collections", "OrderedDict");
      out.writeBytes(new byte[] {')', 'R', 't', 'R', 's'});
    }
    for (int i = 0; i < wrappers.length; i++) {
      out.write('s');
    }
    out.write('.');
    return out.toByteArray();
  }

  private static void text(ByteArrayOutputStream out, String value) {
    byte[] utf8 = value.getBytes(StandardCharsets.UTF_8);
    out.write('X');
    out.writeBytes(little(4).putInt(utf8.length).array());
    out.writeBytes(utf8);
  }

  private static void global(ByteArrayOutputStream out, String module, String name) {
    out.writeBytes(("c" + module + "\n" + name + "\n").getBytes(StandardCharsets.UTF_8));
  }

  private static void number(ByteArrayOutputStream out, long value) {
    out.writeBytes(new byte[] {(byte) 0x8a, 8});
    out.writeBytes(little(8).putLong(value).array());
  }

  private static long bytes(List<Long> shape, String dtype) {
    return shape.stream().reduce(1L, (a, b) -> a * b) * BYTES.getOrDefault(dtype, 4);
  }

  private static ByteBuffer little(int size) {
    return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static FileChannel open(Path file) throws IOException {
    return FileChannel.open(
        file,
        StandardOpenOption.CREATE,
        StandardOpenOption.TRUNCATE_EXISTING,
        StandardOpenOption.WRITE,
        StandardOpenOption.SPARSE);
  }

  private static void write(FileChannel out, long at, ByteBuffer bytes) throws IOException {
    long position = at;
    while (bytes.hasRemaining()) {
      position += out.write(bytes, position);
    }
  }

  /** Makes the file so long, with a hole where nothing was written. */
  private static void extend(FileChannel out, long size) throws IOException {
    if (out.size() < size) {
      write(out, size - 1, ByteBuffer.wrap(new byte[1]));
    }
  }
}
