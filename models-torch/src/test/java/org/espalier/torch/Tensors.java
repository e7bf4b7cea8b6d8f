package org.espalier.torch;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Collects tensors and writes them as a safetensors file. */
final class Tensors {
  private final Map<String, Object> header = new LinkedHashMap<>();
  private final ByteArrayOutputStream data = new ByteArrayOutputStream();

  Tensors floats(String name, List<Integer> shape, float... values) {
    ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    return raw(name, "F32", shape, bytes.array());
  }

  Tensors raw(String name, String dtype, List<Integer> shape, byte... bytes) {
    int begin = data.size();
    data.writeBytes(bytes);
    return entry(name, dtype, shape, begin, data.size());
  }

  Tensors entry(String name, String dtype, List<Integer> shape, long begin, long end) {
    header.put(name, Map.of("dtype", dtype, "shape", shape, "data_offsets", List.of(begin, end)));
    return this;
  }

  Tensors without(String name) {
    header.remove(name);
    return this;
  }

  Tensors metadata(Map<String, String> metadata) {
    header.put("__metadata__", metadata);
    return this;
  }

  Path write(Path file) {
    try {
      byte[] json = new ObjectMapper().writeValueAsString(header).getBytes(StandardCharsets.UTF_8);
      return write(file, json, data.toByteArray());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static Path write(Path file, byte[] json, byte[] data) throws IOException {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    all.writeBytes(
        ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(json.length).array());
    all.writeBytes(json);
    all.writeBytes(data);
    return Files.write(file, all.toByteArray());
  }

  static byte[] shorts(int... values) {
    ByteBuffer bytes = ByteBuffer.allocate(2 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    for (int value : values) {
      bytes.putShort((short) value);
    }
    return bytes.array();
  }
}
