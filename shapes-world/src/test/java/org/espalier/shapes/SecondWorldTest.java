package org.espalier.shapes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Stream;
import org.espalier.api.Prompt;
import org.junit.jupiter.api.Test;

/** The second world's evaluator and prompts, against what {@code training/world2} wrote. */
class SecondWorldTest {
  private static final JsonMapper JSON = new JsonMapper();

  /**
   * Cases of {@code export.py}: scenes some of whose objects were changed or left out, against
   * captions half of which are wrong in one thing. {@code -Dworld2.cases=FILE} checks more of them.
   */
  @Test
  void theEvaluatorAgreesWithTheTrainingCode() throws IOException {
    String more = System.getProperty("world2.cases");
    int exact = 0;
    int cases = 0;
    try (InputStream in =
            more == null
                ? Objects.requireNonNull(getClass().getResourceAsStream("world2-cases.jsonl"))
                : Files.newInputStream(Path.of(more));
        BufferedReader lines =
            new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8))) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        JsonNode one = JSON.readTree(line);
        SceneRequirement requirement =
            SceneRequirement.parse(
                JSON.convertValue(one.get("record"), new TypeReference<>() {}), "case " + cases);
        SceneCheck check = SceneCheck.of(requirement, seen(one.get("seen")));
        int fulfilled = one.get("fulfilled").asInt();
        int asked = one.get("asked").asInt();
        assertThat(check.constraints())
            .as(line)
            .isEqualTo((double) fulfilled / asked, within(1e-12));
        assertThat(check.strict()).as(line).isEqualTo(fulfilled == asked);
        exact += check.strict() ? 1 : 0;
        cases++;
      }
    }
    assertThat(cases).isGreaterThanOrEqualTo(200);
    assertThat(exact).isBetween(cases / 10, cases / 2);
  }

  private static List<DetectedObject> seen(JsonNode objects) {
    List<DetectedObject> seen = new ArrayList<>();
    for (JsonNode object : objects) {
      Shape shape = object.get(0).isNull() ? null : term(Shape.values(), object.get(0));
      seen.add(
          new DetectedObject(
              shape,
              term(Color.values(), object.get(1)),
              term(Texture.values(), object.get(2)),
              term(Size.values(), object.get(3)),
              object.get(4).asDouble(),
              object.get(5).asDouble(),
              1));
    }
    return seen;
  }

  private static <T extends Term> T term(T[] terms, JsonNode word) {
    return Stream.of(terms).filter(t -> t.word().equals(word.asText())).findFirst().orElseThrow();
  }

  @Test
  void itsPromptsAreOfSevenLevelsAndShareNone() throws IOException {
    Set<String> texts = new HashSet<>();
    int prompts = 0;
    for (String set : List.of("validation", "test", "confirmation")) {
      int each = set.equals("validation") ? 40 : 112;
      List<Prompt> all = read("prompts/world2-" + set + ".jsonl");
      assertThat(all).hasSize(7 * each);
      for (int level = 1; level <= 7; level++) {
        String tag = "level-" + level;
        int objects = level + 1;
        assertThat(all.stream().filter(prompt -> prompt.tag().equals(tag)))
            .hasSize(each)
            .allSatisfy(
                prompt -> assertThat(SceneRequirement.of(prompt).objects()).isEqualTo(objects));
      }
      all.stream().filter(p -> !p.tag().equals("level-1")).map(Prompt::text).forEach(texts::add);
      prompts += 6 * each;
    }
    // Of three objects some captions come twice; of four and more none is in two sets.
    assertThat(texts).hasSizeGreaterThan(prompts - 12);
  }

  private static List<Prompt> read(String name) throws IOException {
    try (InputStream in = Objects.requireNonNull(ShapesPrompts.class.getResourceAsStream(name));
        BufferedReader lines =
            new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8))) {
      return ShapesPrompts.parse(lines, name);
    }
  }
}
