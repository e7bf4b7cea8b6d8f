package org.espalier.shapes;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;

/** Writes a small detector with random weights: what it sees is noise, but it sees much of it. */
final class RandomDetector {
  private final Map<String, long[]> shapes = new LinkedHashMap<>();

  private RandomDetector() {
    conv("stem", 8, 3, 3);
    block("block0", 8);
    conv("down0", 16, 8, 4);
    block("block1", 16);
    conv("down1", 24, 16, 4);
    block("blocks.0", 24);
    norm("norm", 24);
    conv("head", 24, 24, 3);
  }

  private void conv(String name, long out, long in, long kernel) {
    shapes.put(name + ".weight", new long[] {out, in, kernel, kernel});
    shapes.put(name + ".bias", new long[] {out});
  }

  private void norm(String name, long width) {
    shapes.put(name + ".weight", new long[] {width});
    shapes.put(name + ".bias", new long[] {width});
  }

  private void block(String name, long width) {
    norm(name + ".norm1", width);
    conv(name + ".conv1", width, width, 3);
    norm(name + ".norm2", width);
    conv(name + ".conv2", width, width, 3);
  }

  /** Writes config.json and model.safetensors; further keys are of shape (2). */
  static Path write(Path directory, String... furtherKeys) throws IOException {
    RandomDetector detector = new RandomDetector();
    for (String key : furtherKeys) {
      detector.shapes.put(key, new long[] {2});
    }
    Files.writeString(
        directory.resolve("config.json"),
        """
        {"image_size": 64, "heat_threshold": 0.4, "peak_window": 5, "max_objects": 8, "other_margin": 4.0,
         "group_norm": {"groups": 8, "eps": 1e-5}, "licence": "Apache-2.0",
         "shapes": ["circle", "square", "triangle", "star", "cross", "ring", "heart", "other"],
         "colors": ["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown"],
         "textures": ["solid", "striped", "dotted"], "sizes": ["small", "large"]}
        """);
    Files.write(directory.resolve("model.safetensors"), detector.safetensors());
    return directory;
  }

  private byte[] safetensors() {
    StringBuilder header = new StringBuilder();
    int end = 0;
    for (Map.Entry<String, long[]> entry : shapes.entrySet()) {
      int start = end;
      int size = 1;
      StringBuilder shape = new StringBuilder();
      for (long side : entry.getValue()) {
        size *= (int) side;
        shape.append(shape.isEmpty() ? "" : ",").append(side);
      }
      end += 4 * size;
      header.append(
          "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%d,%d]}"
              .formatted(header.isEmpty() ? "{" : ",", entry.getKey(), shape, start, end));
    }
    byte[] json = header.append('}').toString().getBytes(StandardCharsets.UTF_8);
    ByteBuffer bytes = ByteBuffer.allocate(8 + json.length + end).order(ByteOrder.LITTLE_ENDIAN);
    bytes.putLong(json.length).put(json);
    Random random = new Random(3);
    while (bytes.hasRemaining()) {
      bytes.putFloat((float) (0.2 * random.nextGaussian()));
    }
    return bytes.array();
  }
}
