package org.espalier.shapes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.StringReader;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.espalier.api.Prompt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ShapesPromptsTest {

  @Test
  void bundlesTestAndValidationPromptsOfEveryCategory() {
    List<Prompt> test = ShapesPrompts.test();
    List<Prompt> validation = ShapesPrompts.validation();
    assertThat(byTag(test))
        .hasSize(Category.values().length)
        .allSatisfy((tag, count) -> assertThat(count).isGreaterThanOrEqualTo(30));
    assertThat(byTag(validation))
        .hasSize(Category.values().length)
        .allSatisfy((tag, count) -> assertThat(count).isGreaterThanOrEqualTo(10));
    Set<String> texts = new HashSet<>();
    test.forEach(p -> assertThat(texts.add(p.text())).as(p.text()).isTrue());
    validation.forEach(p -> assertThat(texts.add(p.text())).as(p.text()).isTrue());
    assertThat(test.get(0).id()).isEqualTo("00000");
    assertThat(test.get(41).id()).isEqualTo("00041");
  }

  private static Map<String, Long> byTag(List<Prompt> prompts) {
    return prompts.stream().collect(Collectors.groupingBy(Prompt::tag, Collectors.counting()));
  }

  @Test
  void everyBundledPromptSaysWhatItsMetadataSay() {
    for (Prompt prompt : ShapesPrompts.test()) {
      SceneRequirement requirement = SceneRequirement.of(prompt);
      assertThat(requirement.caption()).isEqualTo(prompt.text());
      assertThat(requirement.metadata()).isEqualTo(prompt.metadata());
    }
  }

  @Test
  void testPromptsOfLargeCategoriesWereHeldOut() {
    int large = 0;
    for (Prompt prompt : ShapesPrompts.test()) {
      Category category = Category.valueOf(prompt.tag().toUpperCase(Locale.ROOT));
      if (category.ordinal() >= Category.POSITION.ordinal()) {
        assertThat(ShapesWorld.isHeldOut(category, SceneRequirement.of(prompt)))
            .as(prompt.text())
            .isTrue();
        large++;
      }
    }
    assertThat(large).isGreaterThanOrEqualTo(120);
    assertThat(
            ShapesPrompts.test().stream()
                .filter(p -> p.tag().equals("colors"))
                .filter(p -> ShapesWorld.isHeldOut(Category.COLORS, SceneRequirement.of(p))))
        .isEmpty();
  }

  /** Single quotation marks stand for double ones. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{'tag': 'x', 'include': [{'class': 'star', 'count': 1, 'color': 'crimson'}], 'prompt': 'p'}"
            + "| f.jsonl:2: the field include[0].color (crimson) is not known."
            + "| Maybe use one of red, orange, yellow, green, blue, purple, pink, brown.",
        "{'tag': 'x', 'include': [{'class': 'sta', 'count': 1}], 'prompt': 'p'}"
            + "| f.jsonl:2: the field include[0].class (sta) is not known."
            + "| Maybe use one of circle, square, triangle, star, cross, ring, heart.",
        "{'tag': 'x', 'include': [{'class': 'star'}], 'prompt': 'p'}"
            + "| f.jsonl:2: the field include[0].count is missing."
            + "| Maybe the record is not of GenEval's form.",
        "{'tag': 'x', 'include': [{'class': 'star', 'count': 1.5}], 'prompt': 'p'}"
            + "| f.jsonl:2: the field include[0].count (1.5) must be a whole number from 1 on."
            + "| Maybe write 1.",
        "{'tag': 'x', 'include': [{'class': 'star', 'count': 9}], 'prompt': 'p'}"
            + "| f.jsonl:2: include[0]: The count (9) of stars is out of range."
            + "| Maybe use 1 to 8.",
        "{'tag': 'x', 'include': [{'class': 'star', 'count': 1, 'colour': 'red'}], 'prompt': 'p'}"
            + "| f.jsonl:2: the field include[0].colour (red) is not a known field."
            + "| Maybe use one of class, color, count, position, positions, size, texture.",
        "{'tag': 'x', 'include': [{'class': 'star', 'count': 1, 'position': ['above', 0]}], 'prompt': 'p'}"
            + "| f.jsonl:2: The position of include[0] refers to entry 0, which is not an earlier one."
            + "| Maybe move the entry that has a position behind the one it refers to.",
        "{'tag': 'x', 'include': [{'class': 'star', 'count': 1, 'position': ['above']}], 'prompt': 'p'}"
            + "| f.jsonl:2: the field include[0].position ([above]) must have two elements."
            + "| Maybe write [\"above\", 0]: a relation and an index.",
        "{'tag': 'x', 'include': [], 'prompt': 'p'}"
            + "| f.jsonl:2: The list include is empty: any picture would do."
            + "| Maybe name at least one object.",
        "{'tag': 'x', 'include': 3, 'prompt': 'p'}"
            + "| f.jsonl:2: the field include (3) must be a list."
            + "| Maybe put it in [ and ].",
        "{'tag': 'x', 'includes': [], 'prompt': 'p'}"
            + "| f.jsonl:2: the field includes ([]) is not a known field."
            + "| Maybe use one of exclude, id, include, prompt, tag, text.",
        "{'tag': 'x', 'include': [{'class': 'star', 'count': 1}]}"
            + "| f.jsonl:2: the field prompt (null) must be a text."
            + "| Maybe write \"prompt\": \"...\".",
      })
  void badRecordsAreRefusedByLineAndField(String line, String what, String advice) {
    assertThatThrownBy(() -> parse(line.replace('\'', '"')))
        .hasMessage("[CONFIG] " + what + "\n" + advice);
  }

  @Test
  void brokenJsonIsRefusedByLineAndColumn() {
    assertThatThrownBy(() -> parse("{\"tag\": }"))
        .hasMessageStartingWith("[CONFIG] f.jsonl:2:")
        .hasMessageContaining("the line is not a JSON object");
    assertThatThrownBy(() -> parse("{\"tag\": \"a\", \"tag\": \"b\"}"))
        .hasMessageContaining("Duplicate field 'tag'");
    assertThatThrownBy(() -> parse("{} {}")).hasMessageStartingWith("[CONFIG] f.jsonl:2:");
  }

  /** Reads the line as the second of a file, after an empty one. */
  private static List<Prompt> parse(String line) throws IOException {
    return ShapesPrompts.parse(new BufferedReader(new StringReader("\n" + line)), "f.jsonl");
  }
}
