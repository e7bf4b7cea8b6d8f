package org.espalier.verifiers;

import org.espalier.api.EspalierException;
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
  private static final String PLACE = "{prompt}";
  private static final String QUESTION =
      "Does this figure show \"{prompt}\"? Please answer yes or no.";

  public LlavaOnevisionConfig(
      @Nullable String weights,
      @Nullable String question,
      @Nullable String yes,
      @Nullable String no) {
    if (weights == null || weights.isBlank()) {
      throw EspalierException.config(
          "The verifier's weights are missing.",
          "Maybe set weights: the directory of a snapshot of"
              + " llava-hf/llava-onevision-qwen2-7b-ov-hf.");
    }
    this.weights = weights;
    this.question = question == null ? QUESTION : question;
    this.yes = yes == null ? "Yes" : yes;
    this.no = no == null ? "No" : no;
    if (!this.question.contains(PLACE)) {
      throw EspalierException.config(
          "The question (" + question + ") does not ask for the prompt.",
          "Maybe write " + PLACE + " where the prompt is to stand.");
    }
    if (this.yes.isEmpty() || this.no.isEmpty() || this.yes.equals(this.no)) {
      throw EspalierException.config(
          "The answers (\"" + this.yes + "\" and \"" + this.no + "\") are empty or the same.",
          "Maybe use Yes and No.");
    }
  }

  String ask(String prompt) {
    return question.replace(PLACE, prompt);
  }
}
