package org.espalier.verifiers;

import java.util.Locale;
import java.util.Set;
import org.espalier.verifiers.JudgeCheckpoint.Asked;
import org.jspecify.annotations.Nullable;

/**
 * Configuration of {@link UnifiedRewardProvider}.
 *
 * @param weights the directory of a snapshot such as {@code CodeGoat24/UnifiedReward-7b}, {@code
 *     CodeGoat24/UnifiedReward-qwen-7b} or {@code CodeGoat24/UnifiedReward-2.0-qwen3vl-8b}
 * @param form what is asked and read: {@code final-score} of the first versions, or {@code
 *     alignment}, {@code coherence} or {@code style} of version 2.0; by default final-score
 * @param maxPixels the largest area at which Qwen versions read an image; by default the model's
 */
public record UnifiedRewardConfig(String weights, Form form, @Nullable Long maxPixels) {

  /** What is asked, in the words of UnifiedReward's authors, and behind what the score stands. */
  public enum Form {
    /** One score for alignment and quality: UnifiedReward 1.0 and 1.5. */
    FINAL_SCORE("Final Score: "),
    /** How well the image matches the caption: UnifiedReward 2.0, its first score. */
    ALIGNMENT("Alignment Score (1-5): "),
    /** How consistent the image is: UnifiedReward 2.0. */
    COHERENCE("Coherence Score (1-5): "),
    /** How it looks, regardless of the caption: UnifiedReward 2.0. */
    STYLE("Style Score (1-5): ");

    private final String lead;

    Form(String lead) {
      this.lead = lead;
    }
  }

  private static final String FINAL =
      """
      You are given a text caption and a generated image based on that caption. Your task is to \
      evaluate this image based on two key criteria:
      1. Alignment with the Caption: Assess how well this image aligns with the provided caption. \
      Consider the accuracy of depicted objects, their relationships, and attributes as described \
      in the caption.
      2. Overall Image Quality: Examine the visual quality of this image, including clarity, detail \
      preservation, color accuracy, and overall aesthetic appeal.
      Extract key elements from the provided text caption, evaluate their presence in the generated \
      image using the format: 'element (type): value' (where value=0 means not generated, and \
      value=1 means generated), and assign a score from 1 to 5 after 'Final Score:'.
      Your task is provided as follows:
      Text Caption: [{prompt}]""";
  private static final String AXES =
      """
      You are presented with a generated image and its associated text caption. Your task is to \
      analyze the image across multiple dimensions in relation to the caption. Specifically:
      Provide overall assessments for the image along the following axes (each rated from 1 to 5):
      - Alignment Score: How well the image matches the caption in terms of content.
      - Coherence Score: How logically consistent the image is (absence of visual glitches, object \
      distortions, etc.).
      - Style Score: How aesthetically appealing the image looks, regardless of caption accuracy.

      Output your evaluation using the format below:

      Alignment Score (1-5): X
      Coherence Score (1-5): Y
      Style Score (1-5): Z

      Your task is provided as follows:
      Text Caption: [{prompt}]""";

  public UnifiedRewardConfig(
      @Nullable String weights, @Nullable Form form, @Nullable Long maxPixels) {
    this.weights =
        ClipConfig.requireWeights(
            weights, "the directory of a snapshot of CodeGoat24/UnifiedReward-qwen-7b");
    this.form = form == null ? Form.FINAL_SCORE : form;
    QwenVlConfig.requirePixels(maxPixels);
    this.maxPixels = maxPixels;
  }

  Asked asked() {
    return new Asked(
        form == Form.FINAL_SCORE ? FINAL : AXES,
        form.lead,
        tokenizer -> JudgeAnswer.Number.of(tokenizer, 1, 5),
        form == Form.FINAL_SCORE
            ? "unified-reward"
            : "unified-reward-" + form.name().toLowerCase(Locale.ROOT),
        Set.of("evalmuse", "hpd"));
  }
}
