package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.espalier.api.Prompt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** GenEval's rules on detections made by hand, and on what the original script says of others. */
class GenEvalRulesTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final List<String> NAMES = List.of("dog", "cat", "bench", "apple");

  private static Instance found(String name, double score, int... box) {
    return new Instance(
        0, NAMES.indexOf(name), score, new Box(box[0], box[1], box[2], box[3]), new byte[0]);
  }

  private static GenEvalTask task(String metadata) {
    try {
      Map<String, Object> fields = JSON.readValue(metadata, new TypeReference<>() {});
      return GenEvalTask.of(
          new Prompt("p", "a prompt", String.valueOf(fields.getOrDefault("tag", "")), fields));
    } catch (UnfitMetadata | IOException e) {
      throw new IllegalStateException(e);
    }
  }

  private static GenEvalRules.Result judge(
      String metadata, List<String> colors, Instance... instances) {
    GenEvalTask task = task(metadata);
    GenEvalRules rules = GenEvalRules.PUBLISHED;
    return rules.judge(
        task,
        rules.select(List.of(instances), NAMES, task.counting()),
        (name, objects) -> colors.subList(0, objects.size()));
  }

  private static List<String> reasons(String metadata, Instance... instances) {
    GenEvalRules.Result result = judge(metadata, List.of("red", "red", "blue"), instances);
    assertThat(result.correct()).isEqualTo(result.reasons().isEmpty());
    return result.reasons();
  }

  @Test
  void anObjectMustBeThereAndSureEnough() {
    String dog = "{\"tag\": \"single_object\", \"include\": [{\"class\": \"dog\", \"count\": 1}]}";
    assertThat(reasons(dog, found("dog", 0.31, 0, 0, 9, 9))).isEmpty();
    assertThat(reasons(dog, found("dog", 0.3, 0, 0, 9, 9)))
        .containsExactly("expected dog>=1, found 0");
    assertThat(reasons(dog, found("cat", 0.99, 0, 0, 9, 9)))
        .containsExactly("expected dog>=1, found 0");
    assertThat(reasons(dog, found("dog", 0.5, 0, 0, 9, 9), found("dog", 0.5, 0, 0, 9, 9)))
        .isEmpty();
    assertThat(reasons(dog)).containsExactly("expected dog>=1, found 0");
  }

  @Test
  void countingIsExactAndWantsSurerObjects() {
    String two =
        "{\"tag\": \"counting\", \"include\": [{\"class\": \"cat\", \"count\": 2}],"
            + " \"exclude\": [{\"class\": \"cat\", \"count\": 3}]}";
    Instance sure = found("cat", 0.95, 0, 0, 9, 9);
    Instance unsure = found("cat", 0.89, 20, 0, 29, 9);
    assertThat(reasons(two, sure, sure)).isEmpty();
    assertThat(reasons(two, sure, sure, unsure)).isEmpty();
    assertThat(reasons(two, sure, unsure)).containsExactly("expected cat>=2, found 1");
    assertThat(reasons(two, sure, sure, sure)).containsExactly("expected cat<3, found 3");
  }

  @Test
  void onlyTheSurestOfAClassAreLookedAt() {
    String many =
        "{\"tag\": \"counting\", \"include\": [{\"class\": \"cat\", \"count\": 16}],"
            + " \"exclude\": [{\"class\": \"cat\", \"count\": 17}]}";
    Instance[] twenty = new Instance[20];
    for (int i = 0; i < twenty.length; i++) {
      twenty[i] = found("cat", 0.95, 0, 0, 9, 9);
    }
    assertThat(reasons(many, twenty)).isEmpty();
  }

  @Test
  void overlappingObjectsCanBeLeftOut() {
    Instance one = found("dog", 0.9, 0, 0, 9, 9);
    Instance same = found("dog", 0.8, 1, 0, 9, 9);
    Instance other = found("dog", 0.7, 50, 50, 60, 60);
    GenEvalRules strict = new GenEvalRules(0.3, 0.9, 16, 0.5, 0.1);
    assertThat(strict.select(List.of(other, same, one), NAMES, false))
        .containsOnly(Map.entry("dog", List.of(one, other)));
    assertThat(GenEvalRules.PUBLISHED.select(List.of(other, same, one), NAMES, false))
        .containsOnly(Map.entry("dog", List.of(one, same, other)));
    assertThat(GenEvalRules.overlap(one.box(), one.box())).isEqualTo(1);
    assertThat(GenEvalRules.overlap(one.box(), other.box())).isZero();
    // 10 x 10 and 10 x 10 pixels with 5 x 10 in common, edges included.
    assertThat(GenEvalRules.overlap(new Box(0, 0, 9, 9), new Box(5, 0, 14, 9)))
        .isCloseTo(50 / 150.0, within(1e-12));
  }

  @ParameterizedTest
  @CsvSource({
    // Boxes of 20 x 20: apart by more than a tenth of both sizes, which is 4.
    "100, 0, left of",
    "-100, 0, right of",
    "0, 100, above",
    "0, -100, below",
    "100, 100, left of; above",
    "4, 0, ''",
    "0, 4, ''",
    "9, 0, left of",
    "8, 0, ''",
    "0, 0, ''",
    "100, 40, left of",
  })
  void placesAreComparedWithAMargin(int right, int down, String expected) {
    Box from = new Box(200, 200, 220, 220);
    Box box = new Box(200 - right, 200 - down, 220 - right, 220 - down);
    assertThat(String.join("; ", GenEvalRules.PUBLISHED.relations(box, from))).isEqualTo(expected);
  }

  @Test
  void placesAreThoseOfTheSurestObjects() {
    String left =
        "{\"tag\": \"position\", \"include\": [{\"class\": \"cat\", \"count\": 1},"
            + " {\"class\": \"dog\", \"count\": 1, \"position\": [\"left of\", 0]}]}";
    Instance cat = found("cat", 0.9, 100, 0, 120, 20);
    Instance dogLeft = found("dog", 0.6, 0, 0, 20, 20);
    Instance dogRight = found("dog", 0.7, 200, 0, 220, 20);
    assertThat(reasons(left, cat, dogLeft)).isEmpty();
    assertThat(reasons(left, cat, dogLeft, dogRight))
        .containsExactly("expected dog left of target, found right of target");
    assertThat(reasons(left, dogLeft))
        .containsExactly("expected cat>=1, found 0", "no target for dog to be left of");
    assertThat(reasons(left, cat, found("dog", 0.6, 100, 0, 120, 20)))
        .containsExactly("expected dog left of target, found  target");
  }

  @Test
  void coloursAreThoseOfTheSurestObjects() {
    String red =
        "{\"tag\": \"colors\", \"include\": [{\"class\": \"dog\", \"count\": 1, \"color\": \"red\"}]}";
    Instance dog = found("dog", 0.9, 0, 0, 9, 9);
    assertThat(judge(red, List.of("red"), dog).correct()).isTrue();
    assertThat(judge(red, List.of("blue", "red"), dog, dog).reasons())
        .containsExactly("expected red dog>=1, found 0 red; and 1 blue");
    assertThat(judge(red, List.of(), found("dog", 0.1, 0, 0, 9, 9)).reasons())
        .containsExactly("expected dog>=1, found 0");
    String two = "{\"include\": [{\"class\": \"dog\", \"count\": 3, \"color\": \"red\"}]}";
    assertThat(judge(two, List.of("white", "red", "blue"), dog, dog, dog).reasons())
        .containsExactly("expected red dog>=3, found 1 red; and 1 red, 1 blue, 1 white");
  }

  @Test
  void partlyRightImagesAreWrongButSaySo() {
    String two =
        "{\"include\": [{\"class\": \"dog\", \"count\": 1}, {\"class\": \"cat\", \"count\": 1}]}";
    GenEvalRules.Result result = judge(two, List.of(), found("dog", 0.9, 0, 0, 9, 9));
    assertThat(result.correct()).isFalse();
    assertThat(result.satisfied()).isEqualTo(1);
    assertThat(result.clauses()).isEqualTo(2);
  }

  /**
   * 400 sets of random detections, with what {@code evaluate_images.py} at af4902f says of them.
   */
  @Test
  void agreesWithTheOriginalScript() throws IOException {
    int correct = 0;
    for (JsonNode row : rows()) {
      List<Instance> instances = new ArrayList<>();
      List<String> colors = new ArrayList<>();
      for (JsonNode d : row.get("detections")) {
        JsonNode b = d.get("box");
        instances.add(
            new Instance(
                instances.size(),
                NAMES.indexOf(d.get("name").asText()),
                d.get("score").asDouble(),
                new Box(b.get(0).asInt(), b.get(1).asInt(), b.get(2).asInt(), b.get(3).asInt()),
                new byte[0]));
        colors.add(d.get("color").asText());
      }
      GenEvalRules rules =
          new GenEvalRules(
              0.3, 0.9, row.get("maxObjects").asInt(), row.get("maxOverlap").asDouble(), 0.1);
      GenEvalTask task = task(row.get("metadata").toString());
      GenEvalRules.Result result =
          rules.judge(
              task,
              rules.select(instances, NAMES, task.counting()),
              (name, objects) -> objects.stream().map(o -> colors.get(o.query())).toList());
      List<String> expected = new ArrayList<>();
      row.get("reasons").forEach(reason -> expected.add(reason.asText()));
      assertThat(result.reasons()).as(row.toString()).isEqualTo(expected);
      assertThat(result.correct()).as(row.toString()).isEqualTo(row.get("correct").asBoolean());
      correct += result.correct() ? 1 : 0;
    }
    assertThat(correct).isBetween(20, 380);
  }

  private static List<JsonNode> rows() throws IOException {
    try (InputStream in =
        Objects.requireNonNull(
            GenEvalRulesTest.class.getResourceAsStream("/geneval/cases.jsonl"))) {
      List<JsonNode> rows = new ArrayList<>();
      for (String line : new String(in.readAllBytes(), StandardCharsets.UTF_8).split("\n")) {
        rows.add(JSON.readTree(line));
      }
      return rows;
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{} | have no include",
        "{\"include\": 3} | is no list",
        "{\"include\": [3]} | is no object",
        "{\"include\": [{\"count\": 1}]} | The class of",
        "{\"include\": [{\"class\": \"dog\"}]} | no positive number",
        "{\"include\": [{\"class\": \"dog\", \"count\": 0}]} | no positive number",
        "{\"include\": [{\"class\": \"dog\", \"count\": 1.5}]} | no positive number",
        "{\"include\": [{\"class\": \"dog\", \"count\": 1, \"color\": \"teal\"}]} | is none of red",
        "{\"include\": [{\"class\": \"dog\", \"count\": 1, \"position\": [\"above\", 0]}]} | earlier",
        "{\"include\": [{\"class\": \"dog\", \"count\": 1, \"position\": \"above\"}]} | earlier",
        "{\"include\": [{\"class\": \"dog\", \"count\": 1}], \"exclude\": [{}]} | The class of",
      })
  void metadataThatAreNotGenEvalsAreNamed(String metadata, String expected) throws IOException {
    Map<String, Object> fields = JSON.readValue(metadata, new TypeReference<>() {});
    assertThatThrownBy(() -> GenEvalTask.of(new Prompt("p", "", "", fields)))
        .isInstanceOf(UnfitMetadata.class)
        .hasMessageContaining(expected);
  }
}
