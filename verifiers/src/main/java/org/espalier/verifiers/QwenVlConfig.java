package org.espalier.verifiers;

import java.util.Set;
import org.espalier.api.EspalierException;
import org.espalier.verifiers.JudgeCheckpoint.Asked;
import org.jspecify.annotations.Nullable;

/**
 * Configuration of {@link QwenVlProvider}.
 *
 * @param weights the directory of a snapshot such as {@code Qwen/Qwen2.5-VL-7B-Instruct} or {@code
 *     Qwen/Qwen3-VL-8B-Instruct}
 * @param answer how the judgement is read off: {@code probability}, P(yes) / (P(yes) + P(no)), or
 *     {@code rating}, the mean rating by the probabilities of its tokens; by default probability
 * @param question asked of each image, with {@code {prompt}} for the prompt; by default that of <a
 *     href="https://arxiv.org/abs/2404.01291">VQAScore</a>, or a request for a rating
 * @param yes the answer that counts; by default {@code Yes}
 * @param no the other answer; by default {@code No}
 * @param scale of ratings, within 0 to 9; by default 1 to 5
 * @param maxPixels the largest area at which an image is read; by default the model's own, at which
 *     an image of 1024 x 1024 pixels is read whole; smaller is faster
 */
public record QwenVlConfig(
    String weights,
    ServedConfig.Answer answer,
    String question,
    String yes,
    String no,
    ServedConfig.Scale scale,
    @Nullable Long maxPixels) {
  private static final String RATE =
      "How well does this image show \"{prompt}\"? Answer with one number from {worst} (not at"
          + " all) to {best} (perfectly).";

  public QwenVlConfig(
      @Nullable String weights,
      ServedConfig.@Nullable Answer answer,
      @Nullable String question,
      @Nullable String yes,
      @Nullable String no,
      ServedConfig.@Nullable Scale scale,
      @Nullable Long maxPixels) {
    this.weights =
        ClipConfig.requireWeights(
            weights, "the directory of a snapshot of " + JudgeCheckpoint.Form.QWEN3_VL.example());
    this.answer = answer == null ? ServedConfig.Answer.PROBABILITY : answer;
    this.scale = scale == null ? new ServedConfig.Scale(1, 5) : scale;
    boolean rating = this.answer == ServedConfig.Answer.RATING;
    this.question =
        LlavaOnevisionConfig.requirePlace(
            question != null ? question : rating ? RATE : LlavaOnevisionConfig.QUESTION);
    this.yes = yes == null ? "Yes" : yes;
    this.no = no == null ? "No" : no;
    LlavaOnevisionConfig.requireAnswers(this.yes, this.no);
    if (rating && (this.scale.worst() < 0 || this.scale.best() > 9)) {
      throw EspalierException.config(
              "The scale (%d to %d) has ratings of more than one digit."
                  .formatted(this.scale.worst(), this.scale.best()),
              "Maybe set scale: {worst: 1, best: 5}.")
          .about("scale");
    }
    requirePixels(maxPixels);
    this.maxPixels = maxPixels;
  }

  static void requirePixels(@Nullable Long maxPixels) {
    if (maxPixels != null && maxPixels < 1) {
      throw EspalierException.config(
              "The maxPixels (" + maxPixels + ") must be positive.", "Maybe set maxPixels: 262144.")
          .about("maxPixels");
    }
  }

  Asked asked() {
    return answer == ServedConfig.Answer.RATING
        ? new Asked(
            question
                .replace("{worst}", String.valueOf(scale.worst()))
                .replace("{best}", String.valueOf(scale.best())),
            "",
            tokenizer -> JudgeAnswer.Rating.of(tokenizer, scale.worst(), scale.best()),
            "",
            Set.of())
        : new Asked(
            question, "", tokenizer -> JudgeAnswer.YesNo.of(tokenizer, yes, no), "", Set.of());
  }
}
