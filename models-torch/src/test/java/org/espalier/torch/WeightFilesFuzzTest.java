package org.espalier.torch;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.ShrinkingMode;
import net.jqwik.api.Tuple;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;
import org.espalier.api.EspalierException;

/**
 * Files by the grammars of their formats, with values that break readers: each is refused with the
 * file's name, or every tensor of it can be read. A thousand of each; {@code
 * -Despalier.fuzz=100000}, as the profile {@code nightly} has it, tries more.
 */
@SuppressWarnings("NullAway.Init")
class WeightFilesFuzzTest {
  private static Path directory;

  @BeforeContainer
  static void make() throws IOException {
    directory = Files.createTempDirectory("fuzz");
    new Tensors().floats("a", List.of(1), 1).write(directory.resolve("s1.safetensors"));
  }

  @AfterContainer
  static void remove() throws IOException {
    try (Stream<Path> files = Files.walk(directory)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }

  private static void readOrRefused(Path file) {
    try (WeightSource source = WeightSource.open(file)) {
      for (String name : source.names()) {
        TensorInfo info = source.info(name);
        assertThat(source.slice(name, 0, Math.toIntExact(info.bytes())).remaining())
            .isEqualTo((int) info.bytes());
      }
    } catch (EspalierException e) {
      assertThat(e).hasMessageStartingWith("[CONFIG] ").hasMessageContaining(file.toString());
    }
  }

  private static Arbitrary<String> number() {
    return Arbitraries.frequencyOf(
        Tuple.of(8, Arbitraries.longs().between(0, 24).map(String::valueOf)),
        Tuple.of(
            1,
            Arbitraries.of(
                "-1",
                "4.0",
                "1e2",
                "\"4\"",
                "null",
                "true",
                "[]",
                "2147483648",
                "4611686018427387904",
                "9223372036854775807",
                "-9223372036854775808",
                "18446744073709551616",
                "1e999",
                "NaN")));
  }

  private static Arbitrary<String> list(Arbitrary<String> of, int most) {
    return of.list()
        .ofMaxSize(most)
        .map(v -> v.stream().collect(Collectors.joining(",", "[", "]")));
  }

  private static Arbitrary<String> text() {
    return Arbitraries.of(
        "\"a\"",
        "\"b\"",
        "\"__metadata__\"",
        "\"\"",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"..\"",
        "a",
        "1");
  }

  private static Arbitrary<String> tensor() {
    Arbitrary<String> dtype =
        Arbitraries.of(
            "\"F32\"", "\"BF16\"", "\"F16\"", "\"I64\"", "\"U8\"", "\"F8_E4M3\"", "4", "null");
    Arbitrary<String> begin = number();
    return Combinators.combine(
            dtype, list(number(), 3), begin, number(), Arbitraries.integers().between(0, 9))
        .as(
            (type, shape, from, to, kind) ->
                switch (kind) {
                  case 0 -> "{\"dtype\":" + type + ",\"shape\":" + shape + "}";
                  case 1 ->
                      "{\"dtype\":" + type + ",\"shape\":" + from + ",\"data_offsets\":[0,4]}";
                  case 2 -> "{\"a\":\"b\"}";
                  case 3 -> from;
                  case 4, 5, 6 -> "{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}";
                  default ->
                      "{\"dtype\":"
                          + type
                          + ",\"shape\":"
                          + shape
                          + ",\"data_offsets\":["
                          + from
                          + ","
                          + to
                          + "],\"more\":{\"x\":[1]}}";
                });
  }

  private static Arbitrary<String> object(Arbitrary<String> values) {
    return Combinators.combine(text(), values)
        .as((name, value) -> name + ":" + value)
        .list()
        .ofMaxSize(4)
        .map(fields -> fields.stream().collect(Collectors.joining(",", "{", "}")));
  }

  @Provide
  Arbitrary<String> headers() {
    return object(tensor());
  }

  @Property(shrinking = ShrinkingMode.OFF)
  void safetensors(@ForAll("headers") String header, @ForAll("dataSizes") int data)
      throws IOException {
    Path file = directory.resolve("f.safetensors");
    Tensors.write(file, header.getBytes(StandardCharsets.UTF_8), new byte[data]);
    readOrRefused(file);
  }

  @Provide
  Arbitrary<Integer> dataSizes() {
    return Arbitraries.of(0, 4, 8, 9, 24);
  }

  @Provide
  Arbitrary<String> indices() {
    Arbitrary<String> shard =
        Arbitraries.of(
            "\"s1.safetensors\"",
            "\"s1.safetensors\"",
            "\"../x.safetensors\"",
            "\"/etc/passwd\"",
            "\"\"",
            "\".\"",
            "\"f.index.json\"",
            "\"\\u0000\"",
            "1",
            "null",
            "[]",
            "{}");
    return object(shard)
        .map(map -> "{\"metadata\":{\"total_size\":1},\"weight_map\":" + map + "}")
        .injectDuplicates(0.1)
        .flatMap(t -> Arbitraries.of(t, t, t + "{", t.substring(0, t.length() / 2)));
  }

  @Property(shrinking = ShrinkingMode.OFF)
  void indexOfShards(@ForAll("indices") String json) throws IOException {
    Path file = directory.resolve("f.index.json");
    Files.writeString(file, json);
    readOrRefused(file);
  }

  @Provide
  Arbitrary<String> configurations() {
    Arbitrary<String> name =
        Arbitraries.of(
            "vocab_size",
            "d_model",
            "d_kv",
            "d_ff",
            "num_layers",
            "num_heads",
            "hidden_size",
            "feed_forward_proj",
            "hidden_act",
            "layer_norm_eps",
            "num_attention_heads",
            "max_position_embeddings",
            "text_config",
            "eos_token_id",
            "intermediate_size");
    Arbitrary<String> value =
        Arbitraries.oneOf(
            number(),
            Arbitraries.of("\"gelu\"", "\"gated-gelu\"", "{}", "{\"hidden_size\":\"x\"}"));
    return Combinators.combine(name, value)
        .as((n, v) -> "\"" + n + "\":" + v)
        .list()
        .ofMaxSize(12)
        .map(fields -> fields.stream().collect(Collectors.joining(",", "{", "}")));
  }

  @Property(shrinking = ShrinkingMode.OFF)
  void configurations(@ForAll("configurations") String json) throws IOException {
    Path file = directory.resolve("config.json");
    Files.writeString(file, json);
    for (int kind = 0; kind < 2; kind++) {
      try {
        if (kind == 0) {
          T5Config.read(file).weights();
        } else {
          ClipTextConfig.read(file).weights();
        }
      } catch (EspalierException e) {
        assertThat(e).hasMessageStartingWith("[CONFIG] ");
      }
    }
  }

  /** One operation of a pickle with its arguments. */
  private static Arbitrary<byte[]> operation() {
    Arbitrary<byte[]> tensor =
        Combinators.combine(longs(), longs(), longs(), Arbitraries.of("0", "1"))
            .as(
                (offset, size, stride, key) ->
                    headless(
                        new Pickle()
                            .tensor(
                                "FloatStorage",
                                key,
                                offset,
                                new long[] {size},
                                new long[] {stride})));
    Arbitrary<byte[]> simple =
        Arbitraries.strings()
            .withChars(
                "(012N}])tldsuaeRbQ.\u0081\u0085\u0086\u0087\u0088\u0089\u008f\u0090\u0093\u0094")
            .ofLength(1)
            .map(opcode -> opcode.getBytes(StandardCharsets.ISO_8859_1));
    Arbitrary<byte[]> texts =
        Arbitraries.of("a", "b", "storage", "", "x".repeat(300))
            .map(text -> headless(new Pickle().text(text)));
    Arbitrary<byte[]> globals =
        Arbitraries.of("FloatStorage", "Size", "OrderedDict", "_rebuild_parameter")
            .map(
                name ->
                    headless(
                        new Pickle()
                            .global(
                                name.equals("OrderedDict")
                                    ? "collections"
                                    : name.startsWith("_") ? "torch._utils" : "torch",
                                name)));
    Arbitrary<byte[]> noise = Arbitraries.bytes().array(byte[].class).ofMinSize(1).ofMaxSize(9);
    Arbitrary<byte[]> memo =
        Combinators.combine(Arbitraries.of('q', 'h', 'K'), Arbitraries.integers().between(0, 3))
            .as((opcode, index) -> new byte[] {(byte) (char) opcode, (byte) (int) index});
    return Arbitraries.frequencyOf(
        Tuple.of(6, simple),
        Tuple.of(4, texts),
        Tuple.of(4, tensor),
        Tuple.of(2, memo),
        Tuple.of(1, globals),
        Tuple.of(1, noise));
  }

  private static byte[] headless(Pickle pickle) {
    byte[] bytes = pickle.bytes();
    return Arrays.copyOfRange(bytes, 2, bytes.length);
  }

  private static Arbitrary<Long> longs() {
    return Arbitraries.of(
        0L, 1L, 2L, 3L, 4L, -1L, Long.MIN_VALUE, Long.MAX_VALUE, 1L << 61, 1L << 62, 1L << 31);
  }

  @Provide
  Arbitrary<byte[]> pickles() {
    return Combinators.combine(
            operation().list().ofMaxSize(12), Arbitraries.integers().between(0, 3))
        .as(
            (operations, kind) -> {
              ByteArrayOutputStream out = new ByteArrayOutputStream();
              out.writeBytes(new byte[] {(byte) 0x80, 2});
              if (kind > 0) { // a dictionary with these as values of a key
                out.writeBytes(new byte[] {'}', '('});
              }
              for (byte[] operation : operations) {
                if (kind > 1) {
                  out.writeBytes(headless(new Pickle().text("k" + out.size())));
                }
                out.writeBytes(operation);
              }
              out.writeBytes(kind > 0 ? new byte[] {'u', '.'} : new byte[] {'.'});
              return out.toByteArray();
            });
  }

  @Property(shrinking = ShrinkingMode.OFF)
  void pickles(@ForAll("pickles") byte[] pickle) throws IOException {
    Path file = directory.resolve("f.pth");
    byte[] storage = ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN).putFloat(1).array();
    PickledWeightsTest.archive(file, pickle, "0", storage, true);
    readOrRefused(file);
  }
}
