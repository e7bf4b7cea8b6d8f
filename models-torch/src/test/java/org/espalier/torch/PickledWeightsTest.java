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
import java.util.HexFormat;
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

  private void archive(byte[] pickle, String key, byte[] storage, boolean stored)
      throws IOException {
    archive(file, pickle, key, storage, stored);
  }

  static void archive(Path file, byte[] pickle, String key, byte[] storage, boolean stored)
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
        .tensor("FloatStorage", "0", 1, new long[] {2, 2}, new long[] {2, 1})
        .text("column")
        .tensor("FloatStorage", "0", 0, new long[] {3, 1}, new long[] {1, 7})
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

  /** The form before zip archives: pickles, then each storage with its length. */
  private static byte[] old(byte[] content, String key, long count, byte[] storage) {
    byte[] machine = new Pickle().op('}').text("little_endian").op(0x88, 's').end();
    byte[] keys = new Pickle().op(']').text(key).op('a').end();
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(
        new Pickle().op(0x8a, 10).raw(HexFormat.of().parseHex("6cfc9c46f9206aa85019")).end());
    out.writeBytes(new Pickle().op('M', 0xe9, 3).end());
    out.writeBytes(machine);
    out.writeBytes(content);
    out.writeBytes(keys);
    out.writeBytes(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(count).array());
    out.writeBytes(storage);
    return out.toByteArray();
  }

  @Test
  void readsTheFormOfBeforeToo() throws IOException {
    Files.write(file, old(wrapped(), "0", 5, floats(1, 2, 3, 4, 5)));
    try (WeightSource source = WeightSource.open(file)) {
      assertThat(source.names()).containsExactly("vae.column", "vae.weight");
      assertThat(source.floats("vae.weight")).containsExactly(2, 3, 4, 5);
      assertThat(source.floats("vae.column")).containsExactly(1, 2, 3);
    }
  }

  @Test
  void refusesEveryBeginningOfAnOldFile() throws IOException {
    byte[] whole = old(wrapped(), "0", 5, floats(1, 2, 3, 4, 5));
    for (int length = 0; length < whole.length; length++) {
      Files.write(file, Arrays.copyOf(whole, length));
      refused("weights file");
    }
    Files.write(file, old(wrapped(), "0", 6, floats(1, 2, 3, 4, 5)));
    refused("truncated or damaged at the storage 0");
    Files.write(file, old(wrapped(), "0", -1, floats(1, 2, 3, 4, 5)));
    refused("truncated or damaged at the storage 0");
    Files.write(file, old(wrapped(), "1", 5, floats(1, 2, 3, 4, 5)));
    refused("truncated or damaged at the storage 1");
    Files.write(file, old(wrapped(), "0", 4, floats(1, 2, 3, 4, 5)));
    refused("outside of its storage");
  }

  @Test
  void readsBfloat16AndParameters() throws IOException {
    byte[] pickle =
        new Pickle()
            .op('}')
            .text("p")
            .global("torch._utils", "_rebuild_parameter")
            .op('(')
            .tensor("BFloat16Storage", "7", 0, new long[] {2}, new long[] {1})
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
    byte[] stacked = new Pickle().text("builtins").text("eval").op(0x93, '.').bytes();
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
            .tensor("FloatStorage", "0", 0, new long[] {2, 2}, new long[] {1, 2})
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

  private static Pickle tensorOf(long offset, long[] shape, long[] strides) {
    return new Pickle().op('}').text("t").tensor("FloatStorage", "0", offset, shape, strides);
  }

  @Test
  void refusesTensorsOutsideOfTheirStorage() throws IOException {
    for (long offset : new long[] {-1, Long.MIN_VALUE, 2, 1L << 61, 1L << 62, Long.MAX_VALUE}) {
      archive(
          tensorOf(offset, new long[] {3}, new long[] {1}).op('s').end(),
          "0",
          floats(1, 2, 3, 4),
          true);
      refused("outside of its storage", " t ", String.valueOf(offset));
    }
    archive(
        tensorOf(1, new long[] {3}, new long[] {1}).op('s').end(), "0", floats(1, 2, 3, 4), true);
    try (WeightSource source = WeightSource.open(file)) {
      assertThat(source.floats("t")).containsExactly(2, 3, 4);
      assertThatThrownBy(() -> source.slice("t", Long.MAX_VALUE, 4))
          .isInstanceOf(IllegalArgumentException.class);
    }
  }

  @Test
  void refusesImpossibleShapes() throws IOException {
    for (long[] shape : new long[][] {{-1}, {1L << 62, 4}, {1L << 61}, {-2, -2}}) {
      long[] strides = new long[shape.length];
      Arrays.fill(strides, 1);
      archive(tensorOf(0, shape, strides).op('s').end(), "0", floats(1, 2, 3, 4), true);
      refused("weights file");
    }
    archive(
        tensorOf(0, new long[] {2, 2}, new long[] {1}).op('s').end(),
        "0",
        floats(1, 2, 3, 4),
        true);
    refused("impossible shape");
    archive(tensorOf(0, new long[17], new long[17]).op('s').end(), "0", floats(1), true);
    refused("no list of sizes");
  }

  private void refusedPickle(byte[] pickle, String... parts) throws IOException {
    archive(pickle, "0", floats(1, 2, 3, 4), true);
    refused(parts);
  }

  @Test
  void boundsWhatAPickleClaims() throws IOException {
    refusedPickle(new Pickle().op('}', 'q', 0).text("a").op('h', 0, 's').end(), "16 deep");
    Pickle deep = new Pickle();
    for (int i = 0; i < 20_000; i++) {
      deep.op('}').text("a");
    }
    deep.op('N');
    for (int i = 0; i < 20_000; i++) {
      deep.op('s');
    }
    refusedPickle(deep.end(), "16 deep");
    Pickle nested = new Pickle().op('}', 'q', 0);
    for (int i = 1; i < 200; i++) {
      nested.op('}', 'q', i).text("a").op('h', i - 1, 's');
    }
    refusedPickle(nested.end(), "16 deep");
    Pickle wide = new Pickle().op('}', 'q', 0);
    for (int i = 1; i < 16; i++) { // 8^15 paths through fifteen dictionaries
      wide.op('}', 'q', i);
      for (int j = 0; j < 8; j++) {
        wide.text(String.valueOf(j)).op('h', i - 1, 's');
      }
    }
    refusedPickle(wide.end(), "500000 entries");
    for (int opcode : new int[] {'X', 'T', 'B'}) {
      refusedPickle(new Pickle().op4(opcode, Integer.MAX_VALUE).end(), "claims more bytes");
      refusedPickle(new Pickle().op4(opcode, -1).end(), "claims more bytes");
    }
    for (int opcode : new int[] {0x8d, 0x8e, 0x96}) {
      refusedPickle(new Pickle().op(opcode).op4(0xff, -1).op4(0xff, -1).end(), "claims more bytes");
    }
    refusedPickle(new Pickle().op4(0x8b, 2_000_000).end(), "unknown opcode");
    refusedPickle(new Pickle().op('L').raw(new byte[100]).end(), "unknown opcode");
    refusedPickle(new Pickle().op('c').raw(new byte[1000]).end(), "name of more than");
    byte[] nothing = new byte[4_100_000];
    Arrays.fill(nothing, (byte) 'N');
    refusedPickle(new Pickle().raw(nothing).end(), "operations");
    refusedPickle(new Pickle().op('}').text("a".repeat(2000)).op('N', 's').end(), "characters");
  }

  @Test
  void boundsTheInflatedSize() throws IOException {
    try (OutputStream out = Files.newOutputStream(file);
        ZipOutputStream zip = new ZipOutputStream(out)) {
      zip.putNextEntry(new ZipEntry("archive/data.pkl"));
      byte[] megabyte = new byte[1 << 20];
      Arrays.fill(megabyte, (byte) 'N');
      for (int i = 0; i < 65; i++) {
        zip.write(megabyte);
      }
      zip.closeEntry();
    }
    assertThat(Files.size(file)).isLessThan(1 << 20);
    refused("67108864 bytes");
  }

  @Test
  void refusesKeysThatCannotBeAny() throws IOException {
    refusedPickle(new Pickle().op('}', '}', 'N', 's').end(), "cannot be one");
    refusedPickle(new Pickle().op('}', ']', 'N', 's').end(), "cannot be one");
    refusedPickle(new Pickle().op('N', 'N', 'N', 's').end(), "damaged");
    refusedPickle(new Pickle().op('s').end(), "damaged");
    refusedPickle(new Pickle().op('u').end(), "damaged");
    refusedPickle(new Pickle().op('}', 'h', 7).end(), "damaged");
    byte[] twice =
        new Pickle()
            .op('}')
            .text("1")
            .tensor("FloatStorage", "0", 0, new long[] {1}, new long[] {1})
            .op('s', 'K', 1)
            .tensor("FloatStorage", "0", 0, new long[] {1}, new long[] {1})
            .op('s')
            .end();
    refusedPickle(twice, "two tensors of the name 1");
  }

  @Test
  void skipsSettingsBesideTheWeights() throws IOException {
    byte[] pickle =
        new Pickle()
            .op('}')
            .text("args")
            .global("argparse", "Namespace")
            .op(')', 0x81, '}')
            .text("lr")
            .op('G')
            .raw(new byte[8])
            .op('s', 'b', 's')
            .text("t")
            .tensor("FloatStorage", "0", 0, new long[] {2}, new long[] {1})
            .op('s')
            .end();
    archive(pickle, "0", floats(1, 2), true);
    try (WeightSource source = WeightSource.open(file)) {
      assertThat(source.names()).containsExactly("t");
    }
  }

  @Test
  void refusesTwoPicklesAndForeignByteOrders() throws IOException {
    try (OutputStream out = Files.newOutputStream(file);
        ZipOutputStream zip = new ZipOutputStream(out)) {
      entry(zip, "a/data.pkl", wrapped(), true);
      entry(zip, "b/data.pkl", wrapped(), true);
    }
    refused("two pickles", "a/data.pkl", "b/data.pkl");
    try (OutputStream out = Files.newOutputStream(file);
        ZipOutputStream zip = new ZipOutputStream(out)) {
      entry(zip, "a/data.pkl", wrapped(), true);
      entry(zip, "a/byteorder", "big".getBytes(StandardCharsets.UTF_8), true);
      entry(zip, "a/data/0", floats(1, 2, 3, 4, 5), true);
    }
    refused("byte order big");
  }

  /** Tensors under several prefixes. */
  private static byte[] copies(String... names) {
    Pickle pickle = new Pickle().op('}');
    for (String name : names) {
      pickle.text(name).tensor("FloatStorage", "0", 0, new long[] {1}, new long[] {1}).op('s');
    }
    return pickle.end();
  }

  @Test
  void unwrapsOneCopyAndRefusesTwo() throws IOException {
    for (String prefix : List.of("", "state_dict.", "module.", "state_dict.model.module.")) {
      archive(copies(prefix + "head.weight", "epoch"), "0", floats(7), true);
      try (WeightSource source = WeightSource.open(file)) {
        assertThat(source.unwrapped("head.weight", "a net").floats("head.weight"))
            .containsExactly(7);
      }
    }
    archive(copies("state_dict.head.weight", "ema.head.weight"), "0", floats(7), true);
    try (WeightSource source = WeightSource.open(file)) {
      assertThatThrownBy(() -> source.unwrapped("head.weight", "a net"))
          .hasMessageContaining("several copies of a net: ema.*, state_dict.*")
          .hasMessageContaining("Maybe save the one");
      assertThat(source.unwrapped("head.weight", "a net", "vae.", "ema.").names())
          .containsExactly("head.weight");
      assertThatThrownBy(() -> source.unwrapped("ead.weight", "a net"))
          .hasMessageContaining("not those of a net");
    }
    archive(copies("head.weight", "ema.head.weight"), "0", floats(7), true);
    try (WeightSource source = WeightSource.open(file)) {
      assertThatThrownBy(() -> source.unwrapped("head.weight", "a net"))
          .hasMessageContaining("the bare keys, ema.*");
    }
  }
}
