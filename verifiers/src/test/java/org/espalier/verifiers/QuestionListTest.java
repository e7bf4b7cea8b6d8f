package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.espalier.api.Prompt;
import org.espalier.api.Verdict;
import org.espalier.compute.Cost;
import org.espalier.spi.Artifact;
import org.espalier.spi.Judgement;
import org.espalier.spi.LoadContext;
import org.espalier.spi.PluginRef;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierCard;
import org.espalier.spi.WorkCounters;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The list of questions over judges whose answers are written down here. */
class QuestionListTest {
  private static final Prompt BICYCLES =
      new Prompt(
          "0",
          "four white bicycles",
          "",
          Map.of(
              "vqa_list",
              List.of(
                  List.of("How many bicycles are in the image?", "four"),
                  List.of("Are the bicycles white?", "Yes"),
                  List.of("Are there any bicycles in the image?", "Yes")),
              "skills",
              List.of("count", "attribute", "object")));

  /** Says what it was told to, and remembers what it was asked. */
  private static final class Told implements Verifier {
    final List<Prompt> asked = new ArrayList<>();
    private final Map<String, Double> answers;
    private final VerifierCard card;

    Told(Map<String, Double> answers, Map<String, String> facts, String range) {
      this.answers = answers;
      this.card =
          new VerifierCard(
              "told", "", "", "none", "none", OptionalInt.empty(), range, "vqa-score", facts);
    }

    @Override
    public VerifierCard card() {
      return card;
    }

    @Override
    public Cost quote(Prompt prompt, int width, int height, int images) {
      return Cost.verify(images, (long) images * prompt.text().length());
    }

    @Override
    public List<Verdict> verify(List<Judgement> batch) {
      List<Verdict> verdicts = new ArrayList<>();
      for (Judgement judgement : batch) {
        asked.add(judgement.prompt());
        Double p = answers.get(judgement.prompt().text());
        verdicts.add(p == null ? new Verdict.Failed("no idea") : Verdict.scored(p));
      }
      return verdicts;
    }

    @Override
    public WorkCounters counters() {
      long length = asked.stream().mapToLong(prompt -> prompt.text().length()).sum();
      return new WorkCounters(asked.size(), 0, length, asked.size());
    }

    @Override
    public void close() {}
  }

  private static final Map<String, String> OPEN = Map.of(OpenQuestion.FACT, "yes");

  private static Verdict judge(Told told, QuestionListConfig.Mean mean, Prompt prompt) {
    try (Verifier verifier = new QuestionListVerifier(mean, told)) {
      return verifier
          .verify(List.of(new Judgement("c", prompt, Artifact.of(Pictures.noise(8, 8, 1)))))
          .get(0);
    }
  }

  private static Told open(double count, double color, double object) {
    return new Told(
        Map.of(
            "How many bicycles are in the image?", count,
            "Are the bicycles white?", color,
            "Are there any bicycles in the image?", object),
        OPEN,
        "[0, 1]");
  }

  @Test
  void meansAreThoseOfTheAnswers() {
    Told told = open(0.5, 0.25, 1.0);
    Verdict.Scored scored =
        (Verdict.Scored) judge(told, QuestionListConfig.Mean.GEOMETRIC, BICYCLES);
    assertThat(scored.value()).isCloseTo(0.5, within(1e-12));
    assertThat(scored.parts())
        .containsEntry("atom.1", 0.5)
        .containsEntry("atom.2", 0.25)
        .containsEntry("atom.3", 1.0)
        .containsEntry("skill.count", 0.5)
        .containsEntry("skill.attribute", 0.25)
        .containsEntry("atoms", 3.0);
    assertThat(scored.parts().get("arithmetic-mean")).isCloseTo(1.75 / 3, within(1e-12));
    Verdict.Scored arithmetic =
        (Verdict.Scored) judge(told, QuestionListConfig.Mean.ARITHMETIC, BICYCLES);
    assertThat(arithmetic.value()).isCloseTo(1.75 / 3, within(1e-12));
  }

  @Test
  void oneWrongAnswerSpoilsTheGeometricMeanAndIsNoError() {
    Verdict.Scored scored =
        (Verdict.Scored) judge(open(0, 1, 1), QuestionListConfig.Mean.GEOMETRIC, BICYCLES);
    assertThat(scored.value()).isPositive().isLessThan(1e-90);
  }

  @Test
  void aJudgeThatKnowsAllWordsIsAskedTheQuestionItself() {
    Told told = open(0.5, 0.5, 0.5);
    judge(told, QuestionListConfig.Mean.GEOMETRIC, BICYCLES);
    assertThat(told.asked).extracting(Prompt::text).first().asString().startsWith("How many");
    assertThat(told.asked.stream().map(OpenQuestion::answers).toList())
        .containsExactly(List.of("four", "4"), List.of("yes"), List.of("yes"));
    assertThat(OpenQuestion.forms(List.of("four", "4")))
        .containsExactly("four", "Four", " four", " Four", "4");
    assertThat(OpenQuestion.answers(BICYCLES)).isEmpty();
  }

  @Test
  void anotherJudgeIsAskedWhetherTheAnswerIsRight() {
    Told told =
        new Told(
            Map.of(
                "How many bicycles are in the image? Is \"four\" the right answer?", 0.5,
                "Are the bicycles white?", 0.25,
                "Are there any bicycles in the image?", 1.0),
            Map.of(),
            "[0, 1]");
    Verdict.Scored scored =
        (Verdict.Scored) judge(told, QuestionListConfig.Mean.GEOMETRIC, BICYCLES);
    assertThat(scored.value()).isCloseTo(0.5, within(1e-12));
  }

  @Test
  void anAnswerThatFailsFailsTheImage() {
    Told told = new Told(Map.of("Are the bicycles white?", 0.5), OPEN, "[0, 1]");
    assertThat(judge(told, QuestionListConfig.Mean.GEOMETRIC, BICYCLES))
        .isEqualTo(new Verdict.Failed("\"How many bicycles are in the image?\": no idea"));
    assertThat(judge(open(0.5, 7, 1), QuestionListConfig.Mean.GEOMETRIC, BICYCLES))
        .isEqualTo(
            new Verdict.Failed(
                "\"Are the bicycles white?\": the judge's value (7.0) is no probability."));
  }

  @Test
  void allImagesAreAskedAboutTogetherAndTheCostIsThatOfTheQuestions() {
    Told told = open(0.5, 0.25, 1.0);
    try (Verifier verifier = new QuestionListVerifier(QuestionListConfig.Mean.GEOMETRIC, told)) {
      Judgement good = new Judgement("c", BICYCLES, Artifact.of(Pictures.noise(8, 8, 1)));
      Judgement bad =
          new Judgement("d", Prompt.of("1", "a cat"), Artifact.of(Pictures.noise(8, 8, 2)));
      List<Verdict> verdicts = verifier.verify(List.of(good, bad, good));
      assertThat(verdicts.get(0)).isEqualTo(verdicts.get(2));
      assertThat(((Verdict.Failed) verdicts.get(1)).reason()).contains("no vqa_list");
      assertThat(told.asked).hasSize(6);
      assertThat(verifier.quote(BICYCLES, 8, 8, 2))
          .isEqualTo(Cost.verify(2, verifier.counters().flops()));
      assertThat(verifier.counters().images()).isEqualTo(2);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{} | have no vqa_list",
        "{\"vqa_list\": []} | have no vqa_list",
        "{\"vqa_list\": \"x\"} | have no vqa_list",
        "{\"vqa_list\": [[\"Is it?\"]]} | is no pair",
        "{\"vqa_list\": [[\"Is it?\", \"\"]]} | is no pair",
        "{\"vqa_list\": [[\"Is it?\", 3]]} | is no pair",
        "{\"vqa_list\": [[\"Is it?\", \"Yes\"]], \"skills\": [\"a\", \"b\"]} | not one a question",
      })
  void promptsWithoutQuestionsAreNotSupported(String metadata, String expected) throws Exception {
    Map<String, Object> fields =
        new com.fasterxml.jackson.databind.ObjectMapper()
            .readValue(metadata, new com.fasterxml.jackson.core.type.TypeReference<>() {});
    QuestionListVerifier verifier =
        new QuestionListVerifier(QuestionListConfig.Mean.GEOMETRIC, open(1, 1, 1));
    assertThat(verifier.unsupported(new Prompt("p", "x", "", fields)).orElse(""))
        .contains(expected);
    assertThat(verifier.unsupported(BICYCLES)).isEmpty();
  }

  /** In process, by the first tokens of the answer. */
  @Test
  void visionLanguageModelsTellTheProbabilityOfAnyWord(@TempDir Path directory) {
    TinyCheckpoints.llava(directory);
    LlavaOnevisionConfig config =
        new LlavaOnevisionConfig(directory.toString(), "{prompt}", null, null);
    try (Verifier judge = new LlavaOnevisionProvider().load(config, ServedJudgeTest.CONTEXT)) {
      assertThat(OpenQuestion.canBeAsked(judge.card())).isTrue();
      Artifact image = Artifact.of(Pictures.noise(40, 36, 1));
      List<Judgement> digits = new ArrayList<>();
      for (int digit = 0; digit < 10; digit++) {
        digits.add(new Judgement("c", OpenQuestion.of("w5 w6", String.valueOf(digit)), image));
      }
      WorkCounters before = judge.counters();
      List<Verdict> verdicts = judge.verify(digits);
      assertThat(judge.counters().since(before).flops())
          .isEqualTo(judge.quote(digits.get(0).prompt(), 40, 36, 10).verifierFlops());
      double sum = 0;
      for (Verdict verdict : verdicts) {
        double p = ((Verdict.Scored) verdict).value();
        assertThat(p).isBetween(1e-12, 1.0);
        sum += p;
      }
      assertThat(verdicts.stream().distinct()).hasSize(10);
      assertThat(sum).isLessThan(1);
      Verdict.Scored plain =
          (Verdict.Scored)
              judge.verify(List.of(new Judgement("c", Prompt.of("p", "w5 w6"), image))).get(0);
      Verdict.Scored yes =
          (Verdict.Scored)
              judge
                  .verify(List.of(new Judgement("c", OpenQuestion.of("w5 w6", "Yes"), image)))
                  .get(0);
      assertThat(yes.value()).isGreaterThanOrEqualTo(VerifierChecks.part(plain, "p-yes") - 1e-12);
    }
  }

  private static void load(Told told) {
    PluginRef<Verifier> judge =
        PluginRef.of("told", Map.of("id", "told"), context -> {}, context -> told);
    new QuestionListProvider().load(new QuestionListConfig(judge, null), LoadContext.cpu()).close();
  }

  @Test
  void judgesThatDoNotFitAreRefused() {
    load(open(1, 1, 1));
    load(new Told(Map.of(), Map.of("question", "{prompt} Answer in one word."), "[0, 1]: P(yes)"));
    assertThatThrownBy(() -> load(new Told(Map.of(), OPEN, "[-100, 100]: 100 x cosine")))
        .hasMessage(
            "[CONFIG] The values of the judge (told) are no probabilities, but [-100, 100]: 100 x"
                + " cosine.\nMaybe use a vision-language model that is asked yes or no, such as"
                + " qwen-vl or served.");
    assertThatThrownBy(
            () -> load(new Told(Map.of(), Map.of("question", "Is it {prompt}?"), "[0, 1]")))
        .hasMessage(
            "[CONFIG] The judge (told) would put each question into another: Is it"
                + " {prompt}?\nMaybe add question: \"{prompt} Answer in one word.\" to the judge.");
    assertThatThrownBy(() -> new QuestionListConfig(null, null))
        .hasMessageStartingWith("[CONFIG] The list of questions has nobody who answers them.");
  }
}
