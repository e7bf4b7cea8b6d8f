package org.espalier.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PickledWeightsTest {
  @TempDir Path directory;
  private Path file;

  @BeforeEach
  void name() {
    file = directory.resolve("model.pth");
  }

  /** The pickle opcodes that PyTorch writes, protocol 2. */
  private static final class Pickle {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    Pickle() {
      op(0x80, 2);
    }

    Pickle op(int... bytes) {
      for (int b : bytes) {
        out.write(b);
      }
      return this;
    }

    Pickle text(String value) {
      byte[] utf8 = value.getBytes(StandardCharsets.UTF_8);
      out.write('X');
      out.writeBytes(
          ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(utf8.length).array());
      out.writeBytes(utf8);
      return this;
    }

    Pickle global(String module, String name) {
      out.writeBytes(("c" + module + "\n" + name + "\n").getBytes(StandardCharsets.UTF_8));
      return this;
    }

    Pickle numbers(int... values) {
      op('(');
      for (int value : values) {
        op('K', value);
      }
      return op('t');
    }

    /** {@code torch._utils._rebuild_tensor_v2(storage, offset, size, stride, False, {})}. */
    Pickle tensor(String storage, String key, int offset, int[] shape, int[] strides) {
      global("torch._utils", "_rebuild_tensor_v2").op('(', '(');
      text("storage").global("torch", storage).text(key).text("cpu").op('K', 99, 't', 'Q');
      op('K', offset).numbers(shape).numbers(strides).op(0x89);
      return global("collections", "OrderedDict").op(')', 'R', 't', 'R');
    }

    byte[] end() {
      return op('.').out.toByteArray();
    }
  }

  private void archive(byte[] pickle, String key, byte[] storage, boolean stored)
      throws IOException {
    try (OutputStream out = Files.newOutputStream(file);
        ZipOutputStream zip = new ZipOutputStream(out)) {
      entry(zip, "archive/data.pkl", pickle, true);
      entry(zip, "archive/data/" + key, storage, stored);
      entry(zip, "archive/version", "3\n".getBytes(StandardCharsets.UTF_8), true);
    }
  }

  private static void entry(ZipOutputStream zip, String name, byte[] content, boolean stored)
      throws IOException {
    ZipEntry entry = new ZipEntry(name);
    if (stored) {
      CRC32 crc = new CRC32();
      crc.update(content);
      entry.setMethod(ZipEntry.STORED);
      entry.setSize(content.length);
      entry.setCrc(crc.getValue());
    }
    zip.putNextEntry(entry);
    zip.write(content);
    zip.closeEntry();
  }

  private static byte[] floats(float... values) {
    ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    return bytes.array();
  }

  /** An OrderedDict with attributes, as a state dictionary is, inside a plain dictionary. */
  private static byte[] wrapped() {
    return new Pickle()
        .op('}', '(')
        .text("epoch")
        .op('K', 3)
        .text("vae")
        .global("collections", "OrderedDict")
        .op(')', 'R', '(')
        .text("weight")
        .tensor("FloatStorage", "0", 1, new int[] {2, 2}, new int[] {2, 1})
        .text("column")
        .tensor("FloatStorage", "0", 0, new int[] {3, 1}, new int[] {1, 7})
        .op('u', '}')
        .text("_metadata")
        .op('}', 's', 'b', 'u')
        .end();
  }

  @Test
  void readsNestedDictionariesByOffset() throws IOException {
    archive(wrapped(), "0", floats(1, 2, 3, 4, 5), true);
    try (WeightSource source = WeightSource.open(file)) {
      assertThat(source.names()).containsExactly("vae.column", "vae.weight");
      assertThat(source.info("vae.weight")).isEqualTo(new TensorInfo(DType.F32, List.of(2L, 2L)));
      assertThat(source.floats("vae.weight")).containsExactly(2, 3, 4, 5);
      assertThat(source.floats("vae.column")).containsExactly(1, 2, 3);
      assertThat(source.under("vae.").floats("weight")).containsExactly(2, 3, 4, 5);
      assertThatThrownBy(() -> source.info("weight")).hasMessageContaining("no tensor weight");
    }
  }

  @Test
  void readsBfloat16AndParameters() throws IOException {
    byte[] pickle =
        new Pickle()
            .op('}')
            .text("p")
            .global("torch._utils", "_rebuild_parameter")
            .op('(')
            .tensor("BFloat16Storage", "7", 0, new int[] {2}, new int[] {1})
            .op(0x88)
            .global("collections", "OrderedDict")
            .op(')', 'R', 't', 'R', 's')
            .end();
    archive(pickle, "7", Tensors.shorts(0x3f80, 0x4000), true);
    try (WeightSource source = WeightSource.open(file)) {
      assertThat(source.floats("p")).containsExactly(1, 2);
    }
  }

  private void refused(String... parts) {
    assertThatThrownBy(() -> WeightSource.open(file))
        .hasMessageStartingWith("[CONFIG] ")
        .hasMessageContaining(file.toString())
        .hasMessageContainingAll(parts);
  }

  @Test
  void refusesForeignClasses() throws IOException {
    byte[] system = new Pickle().global("os", "system").op('(').text("true").op('t', 'R').end();
    archive(system, "0", new byte[4], true);
    refused("os.system", "could run code");
    byte[] stacked = new Pickle().text("builtins").text("eval").op(0x93, '.').out.toByteArray();
    archive(stacked, "0", new byte[4], true);
    refused("builtins.eval");
    byte[] instance = "(ios\nsystem\n.".getBytes(StandardCharsets.UTF_8);
    archive(instance, "0", new byte[4], true);
    refused("old-style");
  }

  @Test
  void refusesStridedTensors() throws IOException {
    byte[] pickle =
        new Pickle()
            .op('}')
            .text("t")
            .tensor("FloatStorage", "0", 0, new int[] {2, 2}, new int[] {1, 2})
            .op('s')
            .end();
    archive(pickle, "0", floats(1, 2, 3, 4), true);
    refused("not contiguous", "t");
  }

  @Test
  void refusesTruncatedAndCompressedData() throws IOException {
    archive(wrapped(), "0", floats(1, 2, 3, 4), true);
    refused("truncated", "weight");
    archive(wrapped(), "0", floats(1, 2, 3, 4, 5), false);
    refused("compressed");
    archive(wrapped(), "1", floats(1, 2, 3, 4, 5), true);
    refused("lacks the data");
    archive(wrapped(), "0", floats(1, 2, 3, 4, 5), true);
    byte[] whole = Files.readAllBytes(file);
    Files.write(file, Arrays.copyOf(whole, whole.length / 2));
    refused("PyTorch");
    Files.write(file, new byte[] {(byte) 0x80, 2, '}', '.'});
    refused("PyTorch");
    archive(new Pickle().op('}').end(), "0", new byte[4], true);
    refused("no tensors");
  }
}
