package org.espalier.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.espalier.api.EspalierException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SafetensorsFileTest {
  @TempDir Path directory;
  private Path file;

  @BeforeEach
  void name() {
    file = directory.resolve("model.safetensors");
  }

  private static byte[] doubles(double... values) {
    ByteBuffer bytes = ByteBuffer.allocate(8 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asDoubleBuffer().put(values);
    return bytes.array();
  }

  @Test
  void readsEveryType() {
    new Tensors()
        .metadata(Map.of("format", "pt"))
        .floats("f32", List.of(2, 1), 1.5f, -2)
        .raw("f64", "F64", List.of(2), doubles(0.25, 3))
        .raw("f16", "F16", List.of(5), Tensors.shorts(0x3c00, 0xc000, 0x0001, 0x8000, 0x7bff))
        .raw("bf16", "BF16", List.of(2), Tensors.shorts(0x3f80, 0xc040))
        .raw(
            "i64",
            "I64",
            List.of(1),
            (byte) -1,
            (byte) -1,
            (byte) -1,
            (byte) -1,
            (byte) -1,
            (byte) -1,
            (byte) -1,
            (byte) -1)
        .raw("i32", "I32", List.of(1), (byte) 7, (byte) 0, (byte) 0, (byte) 0)
        .raw("i16", "I16", List.of(1), Tensors.shorts(-3))
        .raw("i8", "I8", List.of(1), (byte) -4)
        .raw("u8", "U8", List.of(2), (byte) 255, (byte) 1)
        .raw("bool", "BOOL", List.of(), (byte) 1)
        .write(file);
    try (SafetensorsFile tensors = new SafetensorsFile(file)) {
      assertThat(tensors.metadata()).containsExactly(Map.entry("format", "pt"));
      assertThat(tensors.names())
          .containsExactly("f32", "f64", "f16", "bf16", "i64", "i32", "i16", "i8", "u8", "bool");
      assertThat(tensors.info("f32")).isEqualTo(new TensorInfo(DType.F32, List.of(2L, 1L)));
      assertThat(tensors.floats("f32")).containsExactly(1.5f, -2);
      assertThat(tensors.floats("f64")).containsExactly(0.25f, 3);
      assertThat(tensors.floats("f16")).containsExactly(1, -2, 0x1p-24f, -0f, 65504);
      assertThat(tensors.floats("bf16")).containsExactly(1, -3);
      assertThat(tensors.longs("i64")).containsExactly(-1);
      assertThat(tensors.longs("i32")).containsExactly(7);
      assertThat(tensors.longs("i16")).containsExactly(-3);
      assertThat(tensors.longs("i8")).containsExactly(-4);
      assertThat(tensors.longs("u8")).containsExactly(255, 1);
      assertThat(tensors.longs("bool")).containsExactly(1);
      assertThat(tensors.slice("u8", 1, 1).get()).isEqualTo((byte) 1);
      assertThatThrownBy(() -> tensors.longs("f32")).hasMessageContaining("[CONFIG]");
      assertThatThrownBy(() -> tensors.floats("u8")).hasMessageContaining("[CONFIG]");
      assertThatThrownBy(() -> tensors.info("f33"))
          .hasMessageContaining("no tensor f33")
          .hasMessageContaining("f32");
      assertThatThrownBy(() -> tensors.slice("u8", 1, 2))
          .isInstanceOf(IllegalArgumentException.class);
    }
  }

  private void refused(String... parts) {
    assertThatThrownBy(() -> WeightSource.open(file))
        .isInstanceOf(EspalierException.class)
        .hasMessageStartingWith("[CONFIG] ")
        .hasMessageContaining(file.toString())
        .hasMessageContainingAll(parts)
        .hasMessageContaining("\nMaybe ");
  }

  @Test
  void refusesAMissingFile() {
    refused("does not exist");
  }

  @Test
  void refusesATruncatedFile() throws IOException {
    new Tensors().floats("weight", List.of(4), 1, 2, 3, 4).write(file);
    byte[] whole = Files.readAllBytes(file);
    Files.write(file, Arrays.copyOf(whole, whole.length - 1));
    refused("truncated", "weight");
    Files.write(file, Arrays.copyOf(whole, 20));
    refused("truncated");
    Files.write(file, new byte[3]);
    refused("truncated", "3 bytes");
  }

  @Test
  void refusesOverlaps() {
    new Tensors().floats("a", List.of(2), 1, 2).entry("b", "F32", List.of(1), 4, 8).write(file);
    refused("overlapping", "a", "b");
  }

  @Test
  void refusesAnUnknownType() {
    new Tensors().raw("weight", "F8_E4M3", List.of(1), (byte) 1).write(file);
    refused("unknown dtype", "F8_E4M3", "weight");
  }

  @Test
  void refusesOffsetsThatDoNotFitTheShape() {
    new Tensors().entry("weight", "F32", List.of(3), 0, 8).write(file);
    refused("weight", "[0, 8]", "12 bytes");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "nonsense",
        "[]",
        "{\"w\": {\"dtype\": \"F32\"}}",
        "{\"w\": {\"dtype\": \"F32\", \"shape\": [-1], \"data_offsets\": [0, 4]}}",
        "{\"w\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0]}}",
        "{\"w\": {\"dtype\": \"F32\", \"shape\": [9223372036854775807, 3], \"data_offsets\": [0,"
            + " 4]}}",
        "{\"w\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [4, 0]}}",
        "{\"w\": {\"dtype\": \"F32\", \"shape\": [1.0], \"data_offsets\": [0, 4]}}",
        "{\"w\": {\"dtype\": \"F32\", \"shape\": [\"1\"], \"data_offsets\": [0, 4]}}",
        "{\"w\": {\"dtype\": 6, \"shape\": [1], \"data_offsets\": [0, 4]}}",
        "{\"w\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [18446744073709551616,"
            + " 18446744073709551620]}}",
        "{\"w\": null}",
        "{\"__metadata__\": {\"a\": 1}}",
        "{\"w\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, 4]}} {}",
        "{\"w\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, 4]}, \"w\": {\"dtype\":"
            + " \"F32\", \"shape\": [1], \"data_offsets\": [4, 8]}}"
      })
  void refusesABadHeader(String header) throws IOException {
    Tensors.write(file, header.getBytes(StandardCharsets.UTF_8), new byte[8]);
    refused("weights file");
  }

  @Test
  void refusesUnknownKindsAndEmptyDirectories() throws IOException {
    Path text = Files.writeString(directory.resolve("weights.txt"), "x");
    assertThatThrownBy(() -> WeightSource.open(text)).hasMessageContaining("unsupported extension");
    assertThatThrownBy(() -> WeightSource.open(directory))
        .hasMessageContaining("none of the weights files")
        .hasMessageContaining("model.safetensors.index.json");
    assertThatThrownBy(() -> WeightSource.open(directory.resolve("none"), "a"))
        .hasMessageContaining("does not exist");
  }

  @Test
  void readsShards() throws IOException {
    new Tensors().floats("a", List.of(1), 1).write(directory.resolve("s1.safetensors"));
    new Tensors().floats("b", List.of(1), 2).write(directory.resolve("s2.safetensors"));
    Files.writeString(
        directory.resolve("model.safetensors.index.json"),
        """
        {"metadata": {}, "weight_map": {"b": "s2.safetensors", "a": "s1.safetensors"}}
        """);
    try (WeightSource source = WeightSource.open(directory)) {
      assertThat(source.names()).containsExactlyInAnyOrder("a", "b");
      assertThat(source.floats("b")).containsExactly(2);
      assertThat(source.floats("a")).containsExactly(1);
      assertThat(source.files()).hasSize(2);
      assertThat(source.sha256()).matches("[0-9a-f]{64}");
      assertThatThrownBy(() -> source.info("c")).hasMessageContaining("no tensor c");
    }
  }

  @Test
  void refusesABadIndex() throws IOException {
    Path index = directory.resolve("x.safetensors.index.json");
    new Tensors().floats("a", List.of(1), 1).write(directory.resolve("s1.safetensors"));
    Files.writeString(index, "{\"weight_map\": {\"a\": \"s9.safetensors\"}}");
    assertThatThrownBy(() -> WeightSource.open(index))
        .hasMessageContaining("s9.safetensors")
        .hasMessageContaining("does not exist");
    Files.writeString(index, "{\"weight_map\": {\"z\": \"s1.safetensors\"}}");
    assertThatThrownBy(() -> WeightSource.open(index)).hasMessageContaining("tensor z");
    Files.writeString(index, "{}");
    assertThatThrownBy(() -> WeightSource.open(index)).hasMessageContaining("weight_map");
    Files.writeString(index, "{");
    assertThatThrownBy(() -> WeightSource.open(index)).hasMessageContaining("not valid JSON");
  }

  private void index(String... shards) throws IOException {
    StringBuilder map = new StringBuilder();
    for (int i = 0; i < shards.length; i += 2) {
      map.append(i == 0 ? "" : ", ").append("\"%s\": \"%s\"".formatted(shards[i], shards[i + 1]));
    }
    Files.writeString(
        directory.resolve("model.safetensors.index.json"), "{\"weight_map\": {" + map + "}}");
  }

  private void refusedIndex(String... parts) {
    assertThatThrownBy(() -> WeightSource.open(directory))
        .isInstanceOf(EspalierException.class)
        .hasMessageStartingWith("[CONFIG] ")
        .hasMessageContainingAll(parts);
  }

  @Test
  void shardsStayInsideTheirFolder() throws IOException {
    directory = Files.createDirectory(directory.resolve("folder"));
    Path elsewhere = Files.createDirectory(directory.resolveSibling("elsewhere"));
    Path outside =
        new Tensors().floats("a", List.of(1), 1).write(elsewhere.resolve("s.safetensors"));
    for (String name :
        List.of(
            "../elsewhere/s.safetensors", "x/../../elsewhere/s.safetensors", outside.toString())) {
      index("a", name);
      refusedIndex("outside of its folder", name);
    }
    index("a", "s\\u0000.safetensors");
    refusedIndex("cannot be a file");
    index("a", "model.safetensors.index.json");
    refusedIndex("another index");
    Files.createSymbolicLink(directory.resolve("link.safetensors"), outside);
    index("a", "link.safetensors");
    refusedIndex("leads out of its folder", "link.safetensors");
    Files.createSymbolicLink(directory.resolve("cut.safetensors"), directory.resolve("nowhere"));
    index("a", "cut.safetensors");
    refusedIndex("leads nowhere");
    Files.writeString(
        directory.resolve("model.safetensors.index.json"), "{\"weight_map\": {\"a\": 3}}");
    refusedIndex("weight_map.a", "must be a text");
    Files.writeString(
        directory.resolve("model.safetensors.index.json"),
        "{\"weight_map\": {\"a\": \"s\", \"a\": \"t\"}}");
    refusedIndex("Duplicate field 'a'");
    new Tensors()
        .floats("a", List.of(1), 1)
        .write(Files.createDirectory(directory.resolve("part")).resolve("s.safetensors"));
    index("a", "part/s.safetensors");
    WeightSource.open(directory).close();
  }

  @Test
  void readsShardsThroughTheLinksOfTheHubsCache() throws IOException {
    Path snapshot = Files.createDirectories(directory.resolve("models--o--n/snapshots/abc"));
    Path blobs = Files.createDirectories(directory.resolve("models--o--n/blobs"));
    new Tensors().floats("a", List.of(1), 5).write(blobs.resolve("f00"));
    Files.createSymbolicLink(snapshot.resolve("s1.safetensors"), Path.of("../../blobs/f00"));
    Files.writeString(blobs.resolve("f01"), "{\"weight_map\": {\"a\": \"s1.safetensors\"}}");
    Files.createSymbolicLink(
        snapshot.resolve("model.safetensors.index.json"), Path.of("../../blobs/f01"));
    try (WeightSource source = WeightSource.open(snapshot)) {
      assertThat(source.floats("a")).containsExactly(5);
    }
  }

  @Test
  void shardsThatTheIndexDoesNotNameAreNotRead() throws IOException {
    new Tensors().floats("a", List.of(1), 1).write(directory.resolve("s1.safetensors"));
    Files.writeString(directory.resolve("s2.safetensors"), "damaged");
    index("a", "s1.safetensors");
    try (WeightSource source = WeightSource.open(directory)) {
      assertThat(source.files()).containsExactly(directory.resolve("s1.safetensors"));
    }
  }

  @Test
  void refusesAFileBesideAnIndexOfTheSameWeights() throws IOException {
    new Tensors().floats("a", List.of(1), 1).write(directory.resolve("s1.safetensors"));
    index("a", "s1.safetensors");
    new Tensors().floats("a", List.of(1), 2).write(file);
    refusedIndex("both model.safetensors and model.safetensors.index.json", "stale");
    Files.delete(file);
    WeightSource.open(directory).close();
  }

  @Test
  void readsShardsOfPyTorch() throws IOException {
    Path shard = directory.resolve("pytorch_model-00001-of-00001.bin");
    PickledWeightsTest.archive(
        shard,
        new Pickle()
            .op('}')
            .text("t")
            .tensor("FloatStorage", "0", 0, new long[] {1}, new long[] {1})
            .op('s')
            .end(),
        "0",
        new byte[] {0, 0, (byte) 0x80, 0x3f},
        true);
    Files.writeString(
        directory.resolve("pytorch_model.bin.index.json"),
        "{\"weight_map\": {\"t\": \"pytorch_model-00001-of-00001.bin\"}}");
    try (WeightSource source = WeightSource.open(directory)) {
      assertThat(source.floats("t")).containsExactly(1);
    }
  }

  @Test
  void refusesBytesThatBelongToNoTensor() throws IOException {
    new Tensors().floats("a", List.of(1), 1).write(file);
    byte[] whole = Files.readAllBytes(file);
    Files.write(file, Arrays.copyOf(whole, whole.length + 4096));
    refused("4096 bytes behind its last tensor");
    new Tensors()
        .floats("gap", List.of(2), 1, 2)
        .floats("b", List.of(1), 1)
        .without("gap")
        .write(file);
    refused("8 bytes before the tensor b");
  }

  @Test
  void namesWhatIsNoWeightsFile() throws IOException {
    Files.writeString(file, "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n");
    refused("pointer of Git LFS");
    Files.write(file, new byte[100]);
    refused("begins with zeros", "interrupted");
  }

  @Test
  void weightsAreOfFloatingPointTypes() {
    new Tensors().raw("w", "I16", List.of(1), Tensors.shorts(3)).write(file);
    try (WeightSource source = WeightSource.open(file)) {
      assertThatThrownBy(() -> WeightSpec.builder().key("w", 1).build().check(source))
          .hasMessageContaining("the key w of the type I16")
          .hasMessageContaining("quantised");
    }
  }

  @Test
  void aSpecificationIsBounded() {
    WeightSpec.Builder spec = WeightSpec.builder();
    assertThatThrownBy(
            () -> {
              for (int i = 0; i < 1_000_000_000; i++) {
                spec.key("layers." + i + ".weight", 1);
              }
            })
        .hasMessageContaining("more than 100000 weights (layers.100000.weight)");
  }

  @Test
  void renamesAndUnwraps() {
    new Tensors().floats("vae.a", List.of(1), 1).floats("ema.a", List.of(1), 2).write(file);
    try (WeightSource source = WeightSource.open(file)) {
      WeightSource inner = source.under("ema.");
      assertThat(inner.names()).containsExactly("a");
      assertThat(inner.floats("a")).containsExactly(2);
      assertThatThrownBy(() -> inner.info("vae.a")).hasMessageContaining("no tensor vae.a");
      assertThatThrownBy(() -> source.renamed(name -> "a"))
          .hasMessageContaining("vae.a")
          .hasMessageContaining("ema.a");
    }
  }

  @Test
  void hashDependsOnEveryByte() throws IOException {
    Path other = directory.resolve("other.safetensors");
    new Tensors().floats("a", List.of(1), 1).write(file);
    new Tensors().floats("a", List.of(1), 1).write(other);
    String hash = WeightSource.sha256(List.of(file));
    assertThat(WeightSource.sha256(List.of(other))).isEqualTo(hash);
    byte[] bytes = Files.readAllBytes(other);
    bytes[bytes.length - 1] ^= 1;
    Files.write(other, bytes);
    assertThat(WeightSource.sha256(List.of(other))).isNotEqualTo(hash);
  }
}
