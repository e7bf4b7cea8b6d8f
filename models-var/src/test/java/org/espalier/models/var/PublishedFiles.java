package org.espalier.models.var;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32;

/**
 * Writes weight files of published shapes and sizes without their bytes: holes of the file system
 * stand for the values, which read as zeros and take no room.
 */
final class PublishedFiles {
  /** Beyond this a zip archive needs its newer form. */
  private static final long FOUR_GIB = 0xffffffffL;

  private PublishedFiles() {}

  private static long elements(List<Long> shape) {
    return shape.stream().reduce(1L, Math::multiplyExact);
  }

  /** A {@code .safetensors}, in bfloat16. */
  static void safetensors(Path file, Map<String, List<Long>> shapes) throws IOException {
    Map<String, Object> header = new LinkedHashMap<>();
    long at = 0;
    for (Map.Entry<String, List<Long>> entry : shapes.entrySet()) {
      long end = at + 2 * elements(entry.getValue());
      header.put(
          entry.getKey(),
          Map.of("dtype", "BF16", "shape", entry.getValue(), "data_offsets", List.of(at, end)));
      at = end;
    }
    byte[] json = new ObjectMapper().writeValueAsString(header).getBytes(StandardCharsets.UTF_8);
    try (RandomAccessFile out = new RandomAccessFile(file.toFile(), "rw")) {
      out.write(littleEndian(8).putLong(json.length).array());
      out.write(json);
      out.setLength(8 + json.length + at);
    }
  }

  /** What {@code torch.save} makes of a state in float32. */
  static void pth(Path file, Map<String, List<Long>> shapes) throws IOException {
    ByteArrayOutputStream pickle = new ByteArrayOutputStream();
    pickle.writeBytes(new byte[] {(byte) 0x80, 2});
    pickle.writeBytes(ascii("ccollections\nOrderedDict\n)R("));
    int key = 0;
    for (Map.Entry<String, List<Long>> entry : shapes.entrySet()) {
      tensor(pickle, entry.getKey(), String.valueOf(key++), entry.getValue());
    }
    pickle.writeBytes(ascii("u."));
    String root = file.getFileName().toString().replaceFirst("\\.[a-z]+$", "") + "/";
    ByteArrayOutputStream directory = new ByteArrayOutputStream();
    try (RandomAccessFile out = new RandomAccessFile(file.toFile(), "rw")) {
      entry(out, directory, root + "data.pkl", pickle.toByteArray(), pickle.size());
      entry(out, directory, root + "byteorder", ascii("little"), 6);
      int number = 0;
      for (List<Long> shape : shapes.values()) {
        entry(out, directory, root + "data/" + number++, new byte[0], 4 * elements(shape));
      }
      end(out, directory.toByteArray(), number + 2);
    }
  }

  /**
   * Shards with their index: {@code model.safetensors.index.json}, or {@code
   * pytorch_model.bin.index.json}.
   */
  static void shards(Path directory, Map<String, List<Long>> shapes, int count, boolean torch)
      throws IOException {
    List<String> names = new ArrayList<>(shapes.keySet());
    Map<String, String> places = new LinkedHashMap<>();
    String stem = torch ? "pytorch_model" : "model";
    String form = torch ? ".bin" : ".safetensors";
    for (int i = 0; i < count; i++) {
      Map<String, List<Long>> part = new LinkedHashMap<>();
      String file = "%s-%05d-of-%05d%s".formatted(stem, i + 1, count, form);
      for (String name : names.subList(names.size() * i / count, names.size() * (i + 1) / count)) {
        part.put(name, shapes.getOrDefault(name, List.of()));
        places.put(name, file);
      }
      if (torch) {
        pth(directory.resolve(file), part);
      } else {
        safetensors(directory.resolve(file), part);
      }
    }
    Files.writeString(
        directory.resolve(stem + form + ".index.json"),
        new ObjectMapper().writeValueAsString(Map.of("metadata", Map.of(), "weight_map", places)));
  }

  private static void tensor(ByteArrayOutputStream out, String name, String key, List<Long> shape) {
    text(out, name);
    out.writeBytes(ascii("ctorch._utils\n_rebuild_tensor_v2\n(("));
    text(out, "storage");
    out.writeBytes(ascii("ctorch\nFloatStorage\n"));
    text(out, key);
    text(out, "cpu");
    number(out, elements(shape));
    out.writeBytes(ascii("tQ"));
    number(out, 0);
    out.write('(');
    shape.forEach(size -> number(out, size));
    out.writeBytes(ascii("t("));
    for (int i = 0; i < shape.size(); i++) {
      number(out, elements(shape.subList(i + 1, shape.size())));
    }
    out.write('t');
    out.write(0x89); // needs no gradient
    out.writeBytes(ascii("ccollections\nOrderedDict\n)RtR"));
  }

  private static void text(ByteArrayOutputStream out, String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    out.write('X');
    out.writeBytes(littleEndian(4).putInt(utf8.length).array());
    out.writeBytes(utf8);
  }

  private static void number(ByteArrayOutputStream out, long value) {
    out.write(0x8a);
    out.write(8);
    out.writeBytes(littleEndian(8).putLong(value).array());
  }

  /** An entry of an archive, stored; what its bytes do not fill is a hole. */
  private static void entry(
      RandomAccessFile out, ByteArrayOutputStream directory, String name, byte[] bytes, long size)
      throws IOException {
    long offset = out.length();
    CRC32 crc = new CRC32();
    crc.update(bytes);
    byte[] local = ascii(name);
    ByteBuffer common = littleEndian(26);
    common.putShort((short) 45).putShort((short) 0).putShort((short) 0).putInt(0);
    common.putInt((int) crc.getValue()).putInt((int) size).putInt((int) size);
    common.putShort((short) local.length);
    out.seek(offset);
    out.write(littleEndian(4).putInt(0x04034b50).array());
    out.write(common.array(), 0, 24);
    out.write(littleEndian(2).array());
    out.write(local);
    out.write(bytes);
    out.setLength(offset + 30 + local.length + size);
    boolean far = offset >= FOUR_GIB;
    directory.writeBytes(littleEndian(6).putInt(0x02014b50).putShort((short) 45).array());
    directory.write(common.array(), 0, 24);
    ByteBuffer rest = littleEndian(16);
    rest.putShort((short) (far ? 12 : 0)).putShort((short) 0).putShort((short) 0);
    rest.putShort((short) 0).putInt(0).putInt(far ? -1 : (int) offset);
    directory.writeBytes(rest.array());
    directory.writeBytes(local);
    if (far) {
      directory.writeBytes(
          littleEndian(12).putShort((short) 1).putShort((short) 8).putLong(offset).array());
    }
  }

  private static void end(RandomAccessFile out, byte[] directory, int entries) throws IOException {
    long begin = out.length();
    out.seek(begin);
    out.write(directory);
    long end = begin + directory.length;
    ByteBuffer tail = littleEndian(56 + 20 + 22);
    tail.putInt(0x06064b50).putLong(44).putShort((short) 45).putShort((short) 45);
    tail.putInt(0).putInt(0).putLong(entries).putLong(entries);
    tail.putLong(directory.length).putLong(begin);
    tail.putInt(0x07064b50).putInt(0).putLong(end).putInt(1);
    tail.putInt(0x06054b50).putShort((short) 0).putShort((short) 0);
    tail.putShort((short) entries).putShort((short) entries);
    tail.putInt(directory.length).putInt(begin >= FOUR_GIB ? -1 : (int) begin).putShort((short) 0);
    out.write(tail.array());
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  private static ByteBuffer littleEndian(int size) {
    return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
  }
}
