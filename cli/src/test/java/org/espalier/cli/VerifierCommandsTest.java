package org.espalier.cli;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;
import static org.espalier.cli.CommandLineKit.espalier;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import org.espalier.shapes.ShapesWeights;
import org.espalier.spi.ImageFiles;
import org.espalier.spi.RgbImage;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code espalier score} and {@code espalier verifiers} on the nano weights. */
@SuppressWarnings("NullAway.Init")
class VerifierCommandsTest {
  @TempDir Path directory;

  private Path image() throws IOException {
    byte[] rgb = new byte[3 * 64 * 64];
    for (int i = 0; i < rgb.length; i++) {
      rgb[i] = (byte) (i * 31);
    }
    return Files.write(directory.resolve("image.png"), ImageFiles.png(new RgbImage(64, 64, rgb)));
  }

  private static CommandLineKit.Ended score(Path image, String verifier) {
    return espalier("score", image, "--prompt", "a red circle", "--verifier", verifier);
  }

  private static void requireRefusal(CommandLineKit.Ended ended, String... parts) {
    assertThat(ended.code()).as(ended.err()).isEqualTo(2);
    assertThat(ended.err()).startsWith("[CONFIG] ").contains("\nMaybe ").contains(parts);
    assertThat(ended.out()).isEmpty();
  }

  @Test
  void scoresByAnIdAlone() throws IOException {
    CommandLineKit.Ended ended = score(image(), "image-reward");
    assertThat(ended.code()).as(ended.err()).isZero();
    String[] line = ended.out().strip().split("\t");
    assertThat(line[0]).endsWith("image.png");
    assertThat(Double.parseDouble(line[1])).isBetween(-10.0, 10.0);
  }

  @Test
  void aPromptThatIsCutOffIsMarked() throws IOException {
    ObjectMapper json = new ObjectMapper();
    for (int words : new int[] {1, 300}) {
      CommandLineKit.Ended ended =
          espalier("score", image(), "--json", "--prompt", "a red circle ".repeat(words).strip());
      assertThat(ended.code()).as(ended.err()).isZero();
      assertThat(json.readTree(ended.out()).get(0).path("parts").path("truncated").asDouble(-1))
          .isEqualTo(words == 1 ? 0 : 1);
    }
  }

  /** Each is one FAILED line, between the scores of the others: before, none of them was judged. */
  @Test
  void imagesThatCannotBeReadFailAlone() throws IOException {
    Path missing = directory.resolve("missing.png");
    Path empty = Files.createFile(directory.resolve("empty.png"));
    Path text = Files.writeString(directory.resolve("text.png"), "no image");
    Path large = Files.write(directory.resolve("large.png"), header(8193, 2));
    byte[] whole = Files.readAllBytes(image());
    Path cut =
        Files.write(directory.resolve("cut.png"), java.util.Arrays.copyOf(whole, whole.length / 2));

    CommandLineKit.Ended ended =
        espalier(
            "score",
            image(),
            missing,
            empty,
            text,
            image(),
            large,
            cut,
            image(),
            "--prompt",
            "a red circle");

    assertThat(ended.code()).as(ended.err()).isEqualTo(3);
    String[] lines = ended.out().strip().split("\n");
    assertThat(lines).hasSize(8);
    assertThat(lines[1]).contains("missing.png\tFAILED ", "does not exist");
    assertThat(lines[2]).contains("empty.png\tFAILED ", "is empty (0 bytes)");
    assertThat(lines[3]).contains("text.png\tFAILED ", "is no image of a known format");
    assertThat(lines[5]).contains("large.png\tFAILED ", "8193 x 2", "larger than 8192 pixels");
    assertThat(lines[6]).contains("cut.png\tFAILED ", "cannot be decoded");
    assertThat(lines[0]).startsWith(image().toString()).isEqualTo(lines[4]).isEqualTo(lines[7]);
    assertThat(lines[0]).doesNotContain("FAILED");
  }

  /** Before, nothing said that two of three columns of such images are cut off. */
  @Test
  void validateSaysWhereImagesAreCut() throws IOException {
    Path study = directory.resolve("wide.yaml");
    String text =
        """
        study: wide
        seed: 1
        prompts: {set: shapes/geneval, limit: 1}
        budgets: {unit: flops, levels: [2x]}
        models: {flow: {id: flux, weights: nano, width: %d, height: 64}}
        verifiers: {search: {id: clip, weights: nano}}
        arms: [{strategy: {id: best-of-n, n: auto}}]
        """;
    Files.writeString(study, text.formatted(128));
    CommandLineKit.Ended wide = espalier("validate", study);
    assertThat(wide.code()).as(wide.err()).isZero();
    assertThat(wide.err())
        .contains(
            "Note: The verifier clip sees only the middle square of the images of flow (128 x 64).");

    Files.writeString(study, text.formatted(64));
    assertThat(espalier("validate", study).err()).doesNotContain("Note:");
  }

  /** The beginning of a PNG of that size, as much as says how large it is. */
  private static byte[] header(int width, int height) {
    ByteBuffer chunk = ByteBuffer.allocate(17).put("IHDR".getBytes(US_ASCII));
    chunk.putInt(width).putInt(height).put(new byte[] {8, 2, 0, 0, 0});
    CRC32 crc = new CRC32();
    crc.update(chunk.array());
    ByteBuffer png = ByteBuffer.allocate(33);
    png.putLong(0x89504E470D0A1A0AL).putInt(13).put(chunk.array()).putInt((int) crc.getValue());
    return png.array();
  }

  @Test
  void wrongWeightsAreRefused() throws IOException {
    Path image = image();
    ShapesWeights bundle = new ShapesWeights();
    requireRefusal(score(image, "clpi"), "verifier (clpi)", "clip");
    requireRefusal(score(image, "{id: clip, weights: none}"), "(none)", "does not exist");

    Path clip = copy(bundle.directory("clip/nano"), "clip");
    String yaml = "{id: clip, weights: " + clip + "}";
    assertThat(score(image, yaml).code()).isZero();

    Path tokenizer = clip.resolve("tokenizer.json");
    byte[] kept = Files.readAllBytes(tokenizer);
    Files.delete(tokenizer);
    requireRefusal(score(image, yaml), "tokenizer.json");
    Files.writeString(tokenizer, "{");
    requireRefusal(score(image, yaml), "tokenizer.json");
    Files.write(tokenizer, kept);

    Path weights = clip.resolve("model.safetensors");
    byte[] whole = Files.readAllBytes(weights);
    Files.write(weights, java.util.Arrays.copyOf(whole, whole.length - 1000));
    requireRefusal(score(image, yaml), "model.safetensors");
    Files.copy(
        bundle.directory("image-reward/nano").resolve("model.safetensors"),
        weights,
        java.nio.file.StandardCopyOption.REPLACE_EXISTING);
    requireRefusal(score(image, yaml), "model.safetensors", "not those of CLIP");
    Files.delete(weights);
    requireRefusal(score(image, yaml), "model.safetensors");
    Files.write(weights, whole);
    Files.delete(clip.resolve("config.json"));
    requireRefusal(score(image, yaml), "config.json");
  }

  private Path copy(Path from, String name) throws IOException {
    Path to = Files.createDirectory(directory.resolve(name));
    try (Stream<Path> files = Files.list(from)) {
      for (Path file : files.toList()) {
        Files.copy(file, to.resolve(file.getFileName().toString()));
      }
    }
    return to;
  }

  @Test
  void cardsSayWhatAVerifierIsAndCosts() throws IOException {
    CommandLineKit.Ended ended = espalier("verifiers", "--repetitions", 1, "--json");
    assertThat(ended.code()).as(ended.err()).isZero();
    JsonNode cards = new ObjectMapper().readTree(ended.out());
    assertThat(cards.findValuesAsText("id"))
        .containsExactly("clip", "ensemble", "image-reward", "shapes-exact");
    for (JsonNode card : cards) {
      String id = card.path("id").asText();
      assertThat(card.path("weightsSha256").asText()).as(id).isNotEmpty();
      assertThat(card.path("licence").asText()).as(id).isNotEmpty();
      assertThat(card.path("preprocessing").asText()).as(id).isNotEmpty();
      assertThat(card.path("range").asText()).as(id).isNotEmpty();
      assertThat(card.path("cost").path("flopsAnImage").asLong()).as(id).isPositive();
      for (String batch : new String[] {"1", "8", "32"}) {
        assertThat(card.path("cost").path("secondsAnImageByBatch").path(batch).asDouble())
            .as(id)
            .isPositive();
      }
    }
    long ensemble = cards.get(1).path("cost").path("flopsAnImage").asLong();
    assertThat(ensemble)
        .isEqualTo(
            cards.get(0).path("cost").path("flopsAnImage").asLong()
                + cards.get(2).path("cost").path("flopsAnImage").asLong());

    CommandLineKit.Ended text = espalier("verifiers", "--repetitions", 1, "--verifier", "clip");
    assertThat(text.code()).as(text.err()).isZero();
    assertThat(text.out())
        .startsWith("clip\n")
        .contains("SHA-256", "licence", "tokens", "preprocessing", "[-100, 100]", "FLOPs an image")
        .contains("ms in batches of 32");
  }
}
