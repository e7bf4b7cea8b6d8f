package org.espalier.verifiers;

import org.jspecify.annotations.Nullable;

/**
 * Configuration of {@link ImageRewardProvider}.
 *
 * @param weights {@code nano}, or a directory with {@code ImageReward.pt} (or {@code
 *     model.safetensors}), {@code med_config.json} and {@code bert-base-uncased}'s {@code
 *     tokenizer.json}
 */
public record ImageRewardConfig(String weights) {
  public ImageRewardConfig(@Nullable String weights) {
    this.weights =
        ClipConfig.requireWeights(
            weights, "nano, or the directory of a snapshot of THUDM/ImageReward");
  }
}
