package org.espalier.study;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PromptFilesTest {
  private static final ClassLoader LOADER = PromptFilesTest.class.getClassLoader();

  @Test
  void genevalLinesKeepTheirMetadata() {
    List<Prompt> prompts =
        PromptFiles.parse(
            "evaluation_metadata.jsonl",
            """
            {"tag": "two_object", "include": [{"class": "bench", "count": 1}], "prompt": "a bench"}

            {"tag": "colors", "include": [], "prompt": "a red bus", "exclude": null}
            """,
            null);
    assertThat(prompts).extracting(Prompt::id).containsExactly("00000", "00001");
    assertThat(prompts).extracting(Prompt::tag).containsExactly("two_object", "colors");
    assertThat(prompts.get(0).metadata()).containsKeys("include", "prompt", "tag");
  }

  @Test
  void geneval2KeepsItsQuestionsAndIsTaggedByAtoms() {
    String two =
        """
        {"prompt": "four bicycles", "atom_count": 2, "vqa_list": [["How many?", "four"]], "skills": ["count"]}
        {"prompt": "a cow", "atom_count": 1, "vqa_list": [["Is there a cow?", "Yes"]], "tag": "own"}
        """;
    List<Prompt> prompts = PromptFiles.parse("geneval2_data.jsonl", two, null);
    assertThat(prompts).extracting(Prompt::tag).containsExactly("atoms-2", "own");
    assertThat(prompts.get(0).metadata())
        .containsEntry("vqa_list", List.of(List.of("How many?", "four")));
    assertThatThrownBy(
            () ->
                PromptFiles.parse(
                    "g2.jsonl", two + "\n{\"prompt\": \"x\"}\n", PromptFormat.GENEVAL2))
        .hasMessageStartingWith("[CONFIG] g2.jsonl:4:1: The field (vqa_list) is missing");
  }

  @Test
  void everyFormatIsTold() {
    assertThat(PromptFiles.parse("color_val.txt", "a red bus\na blue cat", null))
        .extracting(Prompt::tag)
        .containsOnly("color");
    assertThat(PromptFiles.parse("x.txt", "\uFEFFa\n\n b \n".substring(1), null))
        .extracting(Prompt::text)
        .containsExactly("a", "b");
    List<Prompt> draw =
        PromptFiles.parse(
            "drawbench.csv", "Prompts,Category\n\"a \"\"b\"\", c\",Colors\r\nd,Text\n", null);
    assertThat(draw).extracting(Prompt::text).containsExactly("a \"b\", c", "d");
    assertThat(draw).extracting(Prompt::tag).containsExactly("Colors", "Text");
    List<Prompt> parti =
        PromptFiles.parse(
            "PartiPrompts.tsv",
            "Prompt\tCategory\tChallenge\tNote\na \"quoted bear\tAnimals\tBasic\t\n",
            null);
    assertThat(parti.get(0).text()).isEqualTo("a \"quoted bear");
    assertThat(parti.get(0).tag()).isEqualTo("Animals");
    List<Prompt> reward =
        PromptFiles.parse("b.json", "[{\"id\":\"005695-0057\",\"prompt\":\"x\"}]", null);
    assertThat(reward.get(0).id()).isEqualTo("005695-0057");
    assertThat(PromptFiles.parse("fkd.jsonl", "{\"text\": \"y\"}", null).get(0).text())
        .isEqualTo("y");
  }

  @Test
  void aBadLineIsNamedByItsNumber() {
    refused("p.jsonl", "{\"prompt\":\"a\"}\n{\"prompt\":3}\n", "p.jsonl:2:1", "(prompt)");
    refused("p.jsonl", "{\"prompt\":\"a\"}\n{\"prompt\":\"b\"\n", "p.jsonl:2:", "JSON");
    refused("p.jsonl", "{\"prompt\":\"a\",\"prompt\":\"b\"}", "p.jsonl:1:", "Duplicate");
    refused("p.jsonl", "{\"prompt\":\"a\",\"tag\":1}", "p.jsonl:1:1", "(tag)");
    refused("p.csv", "Prompts,Category\na,b,c\n", "p.csv:2:1", "3 columns");
    refused("p.csv", "Prompt,Category\na,b\n", "p.csv:1:1", "(Prompts)");
    refused("p.csv", "Prompts,Prompts\na,b\n", "p.csv:1:1", "two columns");
    refused("p.json", "[{\"prompt\":\"a\"},{}]", "p.json:1:1: [1]", "(prompt)");
    refused("p.json", "[{\"id\":\"\",\"prompt\":\"a\"}]", "p.json:1:1: [0]", "(id) is empty");
    refused(
        "p.jsonl",
        "{\"id\":\"x\",\"prompt\":\"a\"}\n{\"id\":\"x\",\"prompt\":\"b\"}",
        "same id",
        "(x)");
  }

  private static void refused(String name, String text, String... parts) {
    assertThatThrownBy(() -> PromptFiles.parse(name, text, null))
        .isInstanceOf(EspalierException.class)
        .hasMessageStartingWith("[CONFIG]")
        .hasMessageContainingAll(parts);
  }

  @Test
  void onlyLineFeedsAndCarriageReturnsEndALine() {
    String strange = "a\u2028b\u0085c\u000Bd\fe";
    assertThat(PromptFiles.parse("p.txt", strange + "\r\nsecond\rthird", null))
        .extracting(Prompt::text)
        .containsExactly(strange, "second", "third");
    assertThat(
            PromptFiles.parse(
                "p.jsonl", "{\"prompt\":\"a\u2028b\u0085c\"}\r\n{\"prompt\":\"d\"}\n", null))
        .extracting(Prompt::text)
        .containsExactly("a\u2028b\u0085c", "d");
  }

  @Test
  void aPromptThatSaysNothingIsRefusedWithItsLine() {
    for (String blank : List.of("\u00A0", "\u200B", "\u3000\u2060", "\uFEFF ", "\u2003")) {
      refused("p.jsonl", "{\"prompt\":\"a\"}\n{\"prompt\":\"" + blank + "\"}", "p.jsonl:2:1");
      refused("p.csv", "Prompts,Category\na,b\n" + blank + ",b\n", "p.csv:3:1", "blank");
      refused("p.json", "[{\"prompt\":\"a\"},{\"prompt\":\"" + blank + "\"}]", "[1]", "blank");
    }
    refused("p.txt", "a\n\n\u200B\n", "p.txt:3:1", "blank");
    refused("p.jsonl", "{\"prompt\":\"\"}", "p.jsonl:1:1", "blank");
    assertThatThrownBy(() -> inline("a", "\u00A0 "))
        .hasMessageContainingAll("[CONFIG]", "prompts.inline[1]", "blank");
  }

  private static List<Prompt> inline(String... prompts) {
    return PromptFiles.load(
        new StudySpec.Prompts(null, null, null, List.of(prompts), null, null, null),
        Path.of(""),
        LOADER);
  }

  @Test
  void severalFilesAreOneListOfPrompts(@TempDir Path directory) throws IOException {
    Files.writeString(directory.resolve("color_val.txt"), "a red bus\na blue cat\n");
    Files.writeString(directory.resolve("shape_val_seen.txt"), "a round table\n");
    List<Prompt> prompts = files(directory, "color_val.txt", "shape_val_seen.txt");
    assertThat(prompts).extracting(Prompt::id).containsExactly("00000", "00001", "00002");
    assertThat(prompts).extracting(Prompt::tag).containsExactly("color", "color", "shape");
    Files.writeString(directory.resolve("own.jsonl"), "{\"id\":\"00001\",\"prompt\":\"x\"}\n");
    assertThatThrownBy(() -> files(directory, "color_val.txt", "own.jsonl"))
        .hasMessageContainingAll("[CONFIG]", "(00001)");
  }

  private static List<Prompt> files(Path base, String... names) {
    return PromptFiles.load(
        new StudySpec.Prompts(null, List.of(names), null, null, null, null, null), base, LOADER);
  }

  @Test
  void whatIsNoFileOfTextIsRefused(@TempDir Path directory) {
    assertThatThrownBy(() -> files(Path.of("/"), "dev/zero"))
        .hasMessageContainingAll("[CONFIG]", "(/dev/zero)", "not a regular file");
    assertThatThrownBy(() -> files(directory, "a\0b"))
        .hasMessageContainingAll("[CONFIG]", "(a\uFFFDb)");
  }

  @Test
  void aLimitTakesFromAllTagsInTurn() {
    StudySpec.Prompts spec =
        new StudySpec.Prompts(null, null, "shapes/geneval", null, null, 8, null);
    List<Prompt> prompts = PromptFiles.load(spec, Path.of(""), LOADER);
    assertThat(prompts).hasSize(8);
    assertThat(prompts.stream().map(Prompt::tag).distinct().count()).isGreaterThanOrEqualTo(6);
    StudySpec.Prompts more =
        new StudySpec.Prompts(null, null, "shapes/geneval", null, null, 16, null);
    assertThat(PromptFiles.load(more, Path.of(""), LOADER)).containsAll(prompts);
  }

  @Test
  void randomBytesGiveAnErrorWithACodeOrPrompts() {
    Random random = new Random(4);
    String alphabet = "{}[]\":,\\\"\n\t ab0prompt\u0000\r'";
    for (String name : List.of("p.jsonl", "p.json", "p.csv", "p.tsv", "p_val.txt")) {
      for (int i = 0; i < 200; i++) {
        StringBuilder text = new StringBuilder();
        for (int n = random.nextInt(60); n > 0; n--) {
          text.append(alphabet.charAt(random.nextInt(alphabet.length())));
        }
        try {
          assertThat(PromptFiles.parse(name, text.toString(), null)).doesNotContainNull();
        } catch (EspalierException e) {
          assertThat(e).hasMessageStartingWith("[CONFIG] " + name);
        }
      }
    }
  }
}
