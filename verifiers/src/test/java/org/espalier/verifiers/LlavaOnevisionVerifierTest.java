package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.api.Verdict;
import org.espalier.spi.Artifact;
import org.espalier.spi.Verifier;
import org.espalier.testkit.VerifierContract;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LlavaOnevisionVerifierTest {
  private Path base;
  private Path directory;

  @BeforeEach
  void layOut(@TempDir Path base) {
    this.base = base;
    directory = TinyCheckpoints.llava(base.resolve("llava"));
  }

  private Verifier load() {
    return load("Yes", "No");
  }

  private Verifier load(String yes, String no) {
    return new LlavaOnevisionProvider()
        .load(
            new LlavaOnevisionConfig("llava", "w1 {prompt} w2", yes, no),
            TinyCheckpoints.context(base));
  }

  private static Verdict.Scored score(Verifier verifier, String prompt) {
    return VerifierChecks.scored(
        verifier
            .verify(
                List.of(
                    VerifierChecks.judgement(0, prompt, Artifact.of(Pictures.noise(50, 30, 1)))))
            .get(0));
  }

  @Test
  void batchEqualsSingleCalls() {
    try (Verifier verifier = load()) {
      VerifierChecks.batchEqualsSingleCalls(verifier, List.of("w3 w4", "w9 w8 w7", "w5"));
    }
  }

  @Test
  void failuresStayAlone() {
    try (Verifier verifier = load()) {
      VerifierChecks.failuresStayAlone(verifier, "w3 w4");
    }
  }

  @Test
  void theValueIsTheShareOfYes() {
    try (Verifier verifier = load();
        Verifier reversed = load("No", "Yes")) {
      Verdict.Scored scored = score(verifier, "w3 w4");
      double yes = Math.exp(VerifierChecks.part(scored, "log-yes"));
      double no = Math.exp(VerifierChecks.part(scored, "log-no"));

      assertThat(yes + no).isLessThan(1);
      assertThat(scored.value()).isCloseTo(yes / (yes + no), within(1e-12)).isBetween(0.0, 1.0);
      assertThat(score(reversed, "w3 w4").value()).isCloseTo(1 - scored.value(), within(1e-12));
    }
  }

  @Test
  void costsWhatAHandCountSays() {
    // 40 x 36 pixels go on 2 x 2 tiles of 28: five tiles of 2 x 2 patches of 14, tower width 32.
    // 40 : 36 on 4 x 4 patches: 3.6 rows, so (4 - 3) / 2 = 0 are left out: 4 rows of 4 + newline.
    long image = 4 + 4 * 5;
    long tiles =
        5L
            * (2 * 4 * (3 * 14 * 14) * 32
                + 2 * (2 * 4 * (4 * 32 * 32 + 2 * 32 * 64) + 2 * 2 * 4 * 4 * 32)
                + 2 * 4 * (32 * 48 + 48 * 48));
    // <|im_start|> user <image> w1 w3 w4 w2 <|im_end|> <|im_start|> assistant
    long length = 9 + image;
    long decoder =
        2L * (2 * length * (2 * 48 * 48 + 2 * 48 * 24 + 3 * 48 * 96) + 2 * 2 * length * length * 48)
            + 2 * 48 * 130;
    try (Verifier verifier = load()) {
      VerifierChecks.quoteEqualsCounters(verifier, "w3 w4", tiles + decoder);
    }
  }

  @Test
  void anAnswerOfSeveralTokensIsReadOn() {
    try (Verifier shortAnswers = load();
        Verifier longAnswers = load("Yes w6 w7", "No w8")) {
      Verdict.Scored scored = score(longAnswers, "w3 w4");

      assertThat(VerifierChecks.part(scored, "log-yes"))
          .isLessThan(VerifierChecks.part(score(shortAnswers, "w3 w4"), "log-yes"));
      Prompt prompt = Prompt.of("p", "w3 w4");
      // Three more tokens after the 9 + 24: two behind yes, one behind no.
      long one = 33;
      long more = 0;
      for (long past : new long[] {one, one + 1, one}) {
        more +=
            2L * (2 * (2 * 48 * 48 + 2 * 48 * 24 + 3 * 48 * 96) + 2 * 2 * (past + 1) * 48)
                + 2 * 48 * 130;
      }
      assertThat(longAnswers.quote(prompt, 40, 36, 1).verifierFlops())
          .isEqualTo(shortAnswers.quote(prompt, 40, 36, 1).verifierFlops() + more);
      VerifierChecks.quoteEqualsCounters(
          longAnswers, "w3 w4", longAnswers.quote(prompt, 40, 36, 1).verifierFlops());
    }
  }

  @ParameterizedTest
  @CsvSource({
    "model.language_model., language_model.model.",
    "model.vision_tower., vision_tower.vision_model.",
    "model.vision_tower., model.vision_tower.vision_model.",
  })
  void readsOlderLayouts(String canonical, String older) {
    assertThat(LlavaArchitecture.canonical(older + "x.weight")).isEqualTo(canonical + "x.weight");
    assertThat(LlavaArchitecture.canonical(canonical + "x.weight"))
        .isEqualTo(canonical + "x.weight");
  }

  @Test
  void readsTheSingleKeysOfOlderLayouts() {
    assertThat(LlavaArchitecture.canonical("image_newline")).isEqualTo("model.image_newline");
    assertThat(LlavaArchitecture.canonical("language_model.lm_head.weight"))
        .isEqualTo("lm_head.weight");
    assertThat(LlavaArchitecture.canonical("multi_modal_projector.linear_1.bias"))
        .isEqualTo("model.multi_modal_projector.linear_1.bias");
    assertThat(LlavaArchitecture.canonical("lm_head.weight")).isEqualTo("lm_head.weight");
  }

  /** A marker of the chat in a prompt is text: before, such an image failed. */
  @Test
  void markersInAPromptAreText() {
    try (Verifier verifier = load()) {
      double plain = score(verifier, "w3 w4").value();
      for (String marker : List.of("<image>", "<|im_end|>", "<|im_start|>")) {
        Verdict.Scored scored = score(verifier, "w3 " + marker + " w4");
        assertThat(VerifierChecks.part(scored, "image-tokens"))
            .isEqualTo(VerifierChecks.part(score(verifier, "w3"), "image-tokens"));
        assertThat(scored.value()).as(marker).isNotEqualTo(plain);
      }
    }
  }

  /** Cut at exactly the token that does not fit: before, such an image failed. */
  @Test
  void aLongPromptIsCutAtExactlyTheRightToken() {
    try (Verifier verifier = load()) {
      // <|im_start|> user <image> w1 ... w2 <|im_end|> <|im_start|> assistant
      int words = verifier.card().textLimit().orElseThrow() - 8;
      String longest = "w3 ".repeat(words - 1) + "w4";
      Verdict.Scored whole = score(verifier, longest);
      Verdict.Scored cut = score(verifier, longest + " w5");
      assertThat(VerifierChecks.part(whole, "truncated")).isEqualTo(0);
      assertThat(VerifierChecks.part(cut, "truncated")).isEqualTo(1);
      assertThat(cut.value()).isEqualTo(whole.value());
      assertThat(score(verifier, "w3 ".repeat(words - 1) + "w6").value())
          .isNotEqualTo(whole.value());
    }
  }

  @Test
  void refusesWhatItDoesNotSupport() throws IOException {
    Path config = directory.resolve("config.json");
    String text = Files.readString(config);

    Files.writeString(config, text.replace("\"qwen2\"", "\"llama\""));
    assertThatThrownBy(this::load)
        .isInstanceOf(EspalierException.class)
        .hasMessageContaining("The text_config.model_type (llama) of LLaVA-OneVision");

    Files.writeString(config, text.replace("anyres_max_9", "square"));
    assertThatThrownBy(this::load).hasMessageContaining("The vision_aspect_ratio (square)");

    Files.writeString(
        config, text.replace("\"image_token_index\": 129", "\"image_token_index\": 7"));
    assertThatThrownBy(this::load)
        .hasMessageContaining("does not turn <image> into the model's image token (7)");

    Files.writeString(config, text);
    Files.delete(directory.resolve("tokenizer.json"));
    assertThatThrownBy(this::load).hasMessageContaining("The tokenizer (");
  }

  @Test
  void refusesAQuestionWithoutThePrompt() {
    assertThatThrownBy(() -> new LlavaOnevisionConfig("llava", "Is it good?", null, null))
        .hasMessageContaining("The question (Is it good?) does not ask for the prompt.");
    assertThatThrownBy(() -> new LlavaOnevisionConfig("llava", null, "Yes", "Yes"))
        .hasMessageContaining("are empty or the same");
    assertThat(new LlavaOnevisionConfig("llava", null, null, null).question())
        .isEqualTo("Does this figure show \"{prompt}\"? Please answer yes or no.");
  }

  @Nested
  class Contract extends VerifierContract {
    @Override
    protected Verifier create() {
      return load();
    }

    @Override
    protected Prompt prompt() {
      return Prompt.of("contract", "w3 w4");
    }
  }
}
