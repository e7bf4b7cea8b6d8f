package org.espalier.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.zip.CRC32C;
import org.espalier.api.EspalierException;
import org.espalier.plugins.PluginRegistry;
import org.espalier.records.CellRecord;
import org.espalier.records.RecordLog;
import org.espalier.study.PromptFiles;
import org.espalier.study.PromptFormat;
import org.espalier.study.Study;
import org.espalier.study.StudySource;
import org.espalier.torch.SafetensorsFile;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Files that were damaged at random: each is read, or refused with a code and the file's name. A
 * thousand inputs of each kind; {@code -Despalier.fuzz=100000}, as the profile {@code nightly} has
 * it, tries more. Seeds are fixed, so that a failure repeats.
 */
@SuppressWarnings("NullAway.Init")
@Timeout(value = 60, unit = TimeUnit.MINUTES)
class MalformedInputTest {
  private static final int INPUTS = Integer.getInteger("espalier.fuzz", 1000);

  /** What tends to break parsers. */
  private static final List<String> TOKENS =
      List.of(
          "",
          "\n",
          "\t",
          "  ",
          ":",
          "- ",
          "{",
          "}",
          "[",
          "]",
          "\"",
          "'",
          ",",
          "#",
          "&a",
          "*a",
          "!!",
          "null",
          "true",
          "-1",
          "0",
          "1e999",
          "NaN",
          "9223372036854775808",
          "99999999999999999999",
          "\u0000",
          "\uFEFF",
          "\u2028",
          "\uD800",
          "é",
          "{{",
          "---",
          "<<: ",
          "!!java.net.URL",
          "x".repeat(300));

  @TempDir Path directory;
  private PluginRegistry plugins;

  @BeforeEach
  void findPlugins() {
    plugins = PluginRegistry.discover(MalformedInputTest.class.getClassLoader());
  }

  /** A copy with one to four random changes. */
  private static byte[] damaged(byte[] original, Random random) {
    byte[] bytes = original;
    for (int i = random.nextInt(4); i >= 0; i--) {
      int at = random.nextInt(bytes.length + 1);
      int length =
          Math.min(bytes.length - at, 1 + random.nextInt(random.nextInt(5) == 0 ? 200 : 8));
      byte[] piece =
          switch (random.nextInt(5)) {
            case 0 -> new byte[0];
            case 1 -> TOKENS.get(random.nextInt(TOKENS.size())).getBytes(StandardCharsets.UTF_8);
            case 2 -> new byte[] {(byte) random.nextInt(256)};
            case 3 -> {
              int from = random.nextInt(bytes.length + 1);
              yield Arrays.copyOfRange(
                  bytes, from, Math.min(bytes.length, from + 1 + random.nextInt(60)));
            }
            default -> {
              byte[] noise = new byte[length];
              random.nextBytes(noise);
              yield noise;
            }
          };
      int cut = random.nextInt(20) == 0 ? bytes.length - at : random.nextBoolean() ? length : 0;
      byte[] changed = Arrays.copyOf(bytes, bytes.length - cut + piece.length);
      System.arraycopy(piece, 0, changed, at, piece.length);
      System.arraycopy(bytes, at + cut, changed, at + piece.length, bytes.length - at - cut);
      bytes = changed;
    }
    return bytes;
  }

  /** Runs a reader; it may refuse, but only with a code and the place. */
  private static void read(String place, byte[] input, Runnable reader) {
    try {
      reader.run();
    } catch (EspalierException e) {
      assertThat(e.getMessage())
          .as(() -> HexFormat.of().formatHex(input))
          .startsWith("[" + e.code() + "] ")
          .contains(place);
    } catch (RuntimeException | StackOverflowError e) {
      throw new AssertionError("input: " + new String(input, StandardCharsets.UTF_8), e);
    }
  }

  @Test
  void studies() {
    byte[] original = CommandLineKit.TOY_STUDY.getBytes(StandardCharsets.UTF_8);
    Random random = new Random(1);
    for (int i = 0; i < INPUTS; i++) {
      byte[] input = damaged(original, random);
      String text = new String(input, StandardCharsets.UTF_8);
      read(
          "study.yaml",
          input,
          () -> Study.bind(new StudySource("study.yaml", text, directory, List.of()), plugins));
    }
  }

  @Test
  void nestingOfStudies() {
    for (String open : List.of("[", "{a: ", "- ")) {
      String text = "study: " + open.repeat(100_000);
      read(
          "study.yaml",
          open.getBytes(StandardCharsets.UTF_8),
          () -> Study.bind(new StudySource("study.yaml", text, directory, List.of()), plugins));
    }
  }

  @ParameterizedTest
  @EnumSource(PromptFormat.class)
  void prompts(PromptFormat format) {
    String original =
        switch (format) {
          case GENEVAL ->
              "{\"tag\": \"counting\", \"include\": [{\"class\": \"bench\", \"count\": 2}], \"prompt\": \"two benches\"}\n{\"tag\": \"colors\", \"include\": [], \"prompt\": \"a red car\"}\n";
          case DRAWBENCH -> "Prompts,Category\n\"A red car, fast\",Colors\nA cat.,Misc\n";
          case PARTI -> "Prompt\tCategory\tChallenge\tNote\na bear\tAnimals\tBasic\t\n";
          case IMAGE_REWARD ->
              "[{\"id\": \"000\", \"prompt\": \"a fox\"}, {\"id\": \"1\", \"prompt\": \"b\"}]";
          default -> "a green bench\na red car\n";
        };
    Random random = new Random(2);
    for (int i = 0; i < INPUTS; i++) {
      byte[] input = damaged(original.getBytes(StandardCharsets.UTF_8), random);
      String text = new String(input, StandardCharsets.UTF_8);
      read("prompts.x", input, () -> PromptFiles.parse("prompts.x", text, format));
    }
  }

  @Test
  void records() throws IOException {
    byte[] original =
        Files.readAllBytes(Path.of("../study-records/src/test/resources/golden/record-v1.jsonl"));
    Path whole = Files.write(directory.resolve("whole.jsonl"), original);
    List<String> known =
        RecordLog.read(whole).records().values().stream().map(RecordLog::line).toList();
    Path log = directory.resolve("records.jsonl");
    Random random = new Random(3);
    for (int i = 0; i < INPUTS; i++) {
      byte[] input = damaged(original, random);
      Files.write(log, input);
      read(
          "records.jsonl",
          input,
          () -> {
            RecordLog.Content<CellRecord> content = RecordLog.read(log);
            assertThat(content.records().values())
                .as("no damage passes the checksum")
                .allSatisfy(record -> assertThat(known).contains(RecordLog.line(record)));
            RecordLog.repair(log, content);
            assertThat(RecordLog.read(log).tornBytes()).isZero();
          });
      Files.write(log, sealed(damaged(original, random)));
      read("records.jsonl", input, () -> RecordLog.read(log));
    }
  }

  /** The same nonsense under a checksum that is right, as another program might write it. */
  private static byte[] sealed(byte[] line) {
    String text = new String(line, StandardCharsets.UTF_8).replace("\n", "");
    int cut = text.lastIndexOf(",\"crc32c\"");
    String body = cut < 0 ? text : text.substring(0, cut);
    CRC32C crc = new CRC32C();
    crc.update(body.getBytes(StandardCharsets.UTF_8));
    String checksum = HexFormat.of().toHexDigits((int) crc.getValue());
    return (body + ",\"crc32c\":\"" + checksum + "\"}\n").getBytes(StandardCharsets.UTF_8);
  }

  @Test
  void weights() throws IOException {
    byte[] header =
        "{\"__metadata__\":{\"a\":\"b\"},\"w\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},\"b\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[24,28]}}"
            .getBytes(StandardCharsets.UTF_8);
    Path file = directory.resolve("model.safetensors");
    Random random = new Random(4);
    for (int i = 0; i < INPUTS; i++) {
      byte[] text = damaged(header, random);
      // Half of the lengths are right, so that the header itself is read.
      long length =
          switch (random.nextInt(6)) {
            case 0 -> random.nextLong();
            case 1 -> 1L << random.nextInt(63);
            case 2 -> text.length + random.nextInt(40) - 20L;
            default -> text.length;
          };
      byte[] input =
          ByteBuffer.allocate(8 + text.length + 28)
              .order(ByteOrder.LITTLE_ENDIAN)
              .putLong(length)
              .put(text)
              .array();
      Files.write(file, input);
      read("model.safetensors", input, () -> new SafetensorsFile(file).close());
    }
  }
}
