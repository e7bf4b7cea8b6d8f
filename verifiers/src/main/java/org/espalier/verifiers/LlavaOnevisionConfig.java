package org.espalier.verifiers;

import java.util.Set;
import org.espalier.api.EspalierException;
import org.espalier.verifiers.JudgeCheckpoint.Asked;
import org.jspecify.annotations.Nullable;

/**
 * Configuration of {@link LlavaOnevisionProvider}.
 *
 * @param weights the directory of a snapshot such as {@code
 *     llava-hf/llava-onevision-qwen2-7b-ov-hf}
 * @param question asked of each image, with {@code {prompt}} for the prompt; by default that of <a
 *     href="https://arxiv.org/abs/2404.01291">VQAScore</a>
 * @param yes the answer that counts; by default {@code Yes}
 * @param no the other answer; by default {@code No}
 */
public record LlavaOnevisionConfig(String weights, String question, String yes, String no) {
  static final String QUESTION = "Does this figure show \"{prompt}\"? Please answer yes or no.";

  public LlavaOnevisionConfig(
      @Nullable String weights,
      @Nullable String question,
      @Nullable String yes,
      @Nullable String no) {
    this.weights =
        ClipConfig.requireWeights(
            weights,
            "the directory of a snapshot of " + JudgeCheckpoint.Form.LLAVA_ONEVISION.example());
    this.question = requirePlace(question == null ? QUESTION : question);
    this.yes = yes == null ? "Yes" : yes;
    this.no = no == null ? "No" : no;
    requireAnswers(this.yes, this.no);
  }

  static String requirePlace(String question) {
    if (!question.contains(JudgeQuestion.PROMPT)) {
      throw EspalierException.config(
              "The question (" + question + ") does not ask for the prompt.",
              "Maybe write " + JudgeQuestion.PROMPT + " where the prompt is to stand.")
          .about("question");
    }
    return question;
  }

  static void requireAnswers(String yes, String no) {
    if (yes.isEmpty() || no.isEmpty() || yes.equals(no)) {
      throw EspalierException.config(
              "The answers (\"" + yes + "\" and \"" + no + "\") are empty or the same.",
              "Maybe use Yes and No.")
          .about("no");
    }
  }

  Asked asked() {
    return new Asked(
        question, "", tokenizer -> JudgeAnswer.YesNo.of(tokenizer, yes, no), "", Set.of());
  }
}
