package org.espalier.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ModelJsonTest {
  private final Path file;

  ModelJsonTest(@TempDir Path directory) {
    file = directory.resolve("config.json");
  }

  record Inner(int numLayers) {}

  record Config(
      int hiddenSize,
      @Nullable Double eps,
      @Nullable String hiddenAct,
      @Nullable Boolean tied,
      @Nullable List<Integer> axes,
      @Nullable Inner textConfig) {}

  private Config read(String json) throws IOException {
    Files.writeString(file, json);
    return ModelJson.read(file, Config.class);
  }

  private void refused(ThrowingCallable call, String... parts) {
    assertThatThrownBy(call)
        .isInstanceOf(EspalierException.class)
        .hasMessageStartingWith("[CONFIG] ")
        .hasMessageContaining(file.toString())
        .hasMessageContaining("\nMaybe ")
        .hasMessageContainingAll(parts)
        .hasMessageNotContainingAny("com.fasterxml", "java.lang", "REDACTED", "Coercion");
  }

  @Test
  void bindsByTheNamesOfTheFile() throws IOException {
    assertThat(
            read(
                "{\"hidden_size\": 4, \"eps\": 1, \"hidden_act\": \"gelu\", \"axes\": [1, 2],"
                    + " \"text_config\": {\"num_layers\": 3}, \"unknown\": {\"a\": [1]}}"))
        .isEqualTo(new Config(4, 1.0, "gelu", null, List.of(1, 2), new Inner(3)));
    assertThat(read("{\"hidden_size\": 4, \"eps\": null}"))
        .isEqualTo(new Config(4, null, null, null, null, null));
    assertThat(read("\uFEFF{\"hidden_size\": 4, \"eps\": -Infinity}").eps())
        .isEqualTo(Double.NEGATIVE_INFINITY);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{'hidden_size': 'x'} | hidden_size | a whole number",
        "{'hidden_size': '4'} | hidden_size | a whole number",
        "{'hidden_size': 3.5} | hidden_size | a whole number",
        "{'hidden_size': 4.0} | hidden_size | a whole number",
        "{'hidden_size': true} | hidden_size | a whole number",
        "{'hidden_size': 99999999999} | hidden_size | a whole number",
        "{'hidden_size': null} | hidden_size | a whole number",
        "{} | hidden_size | a whole number",
        "{'hidden_size': 4, 'eps': '1e-5'} | eps | a number",
        "{'hidden_size': 4, 'hidden_act': 7} | hidden_act | a text",
        "{'hidden_size': 4, 'tied': 1} | tied | true or false",
        "{'hidden_size': 4, 'axes': 7} | axes | a list",
        "{'hidden_size': 4, 'axes': ['a']} | axes[0] | a whole number",
        "{'hidden_size': 4, 'text_config': []} | text_config | an object",
        "{'hidden_size': 4, 'text_config': {'num_layers': 'x'}} | text_config.num_layers | a whole",
        "[] | The content of | an object",
      })
  void typesAreWhatTheyMustBe(String json, String field, String type) {
    refused(() -> read(json.replace('\'', '"')), field, "must be " + type);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "{", "{\"a\": 1} {}", "{\"a\": 1, \"a\": 2}", "nonsense"})
  void refusesWhatIsNoJson(String json) throws IOException {
    Files.writeString(file, json);
    refused(() -> ModelJson.require(file), "");
    refused(() -> ModelJson.read(file, Config.class), "");
  }

  @Test
  void treesRefuseToBeTakenForAnotherType() throws IOException {
    Files.writeString(
        file,
        "{\"word\": \"x\", \"part\": 3.5, \"big\": 9999999999, \"huge\": 99999999999999999999,"
            + " \"list\": [1], \"object\": {\"n\": 2}, \"null\": null, \"n\": 7, \"flag\": true}");
    JsonNode tree = ModelJson.require(file);
    assertThat(tree.path("n").asInt(1)).isEqualTo(7);
    assertThat(tree.path("missing").asInt(1)).isEqualTo(1);
    assertThat(tree.path("null").asInt(1)).isEqualTo(1);
    assertThat(tree.path("big").asLong(1)).isEqualTo(9999999999L);
    assertThat(tree.path("part").asDouble(1)).isEqualTo(3.5);
    assertThat(tree.path("n").asDouble(1)).isEqualTo(7);
    assertThat(tree.path("flag").asBoolean(false)).isTrue();
    assertThat(tree.path("object").path("n").asInt()).isEqualTo(2);
    refused(() -> tree.path("word").asInt(1), "\"x\"", "a whole number");
    refused(() -> tree.path("word").asInt(), "\"x\"", "a whole number");
    refused(() -> tree.path("word").asDouble(1), "\"x\"", "a number");
    refused(() -> tree.path("word").asBoolean(true), "\"x\"", "true or false");
    refused(() -> tree.path("part").asInt(1), "3.5", "a whole number");
    refused(() -> tree.path("part").asLong(1), "3.5", "a whole number");
    refused(() -> tree.path("big").asInt(1), "9999999999", "32 bits");
    refused(() -> tree.path("huge").asLong(1), "99999999999999999999", "64 bits");
    refused(() -> tree.path("list").asInt(1), "[1]", "a whole number");
    refused(() -> tree.path("object").asText("a"), "{\"n\":2}", "a text");
    refused(() -> ModelJson.positive(tree, "word", 1), "word (\"x\")", "positive whole number");
    refused(
        () -> ModelJson.positive(tree.path("object"), "missing", 0),
        "The field missing of",
        "is missing");
    assertThat(ModelJson.positive(tree.path("object"), "n", 1)).isEqualTo(2);
  }

  @Test
  void namesMissingAndLargeFiles() throws IOException {
    refused(() -> ModelJson.require(file, "configuration of CLIP"), "The configuration of CLIP");
    assertThat(ModelJson.optional(file).isMissingNode()).isTrue();
    try (var large =
        FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
      large.write(ByteBuffer.wrap("}".getBytes(StandardCharsets.UTF_8)), 1L << 33);
    }
    refused(() -> ModelJson.require(file), "too large for a configuration");
  }

  @Test
  void refusesDepthAndDigitsThatNoConfigurationHas() throws IOException {
    Files.writeString(file, "[".repeat(100_000));
    refused(() -> ModelJson.require(file), "not valid JSON");
    Files.writeString(file, "{\"a\": " + "9".repeat(2_000_000) + "}");
    refused(() -> ModelJson.require(file), "not valid JSON");
  }
}
