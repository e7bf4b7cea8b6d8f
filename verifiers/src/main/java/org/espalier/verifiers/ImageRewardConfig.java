package org.espalier.verifiers;

import org.jspecify.annotations.Nullable;

/**
 * Configuration of {@link ImageRewardProvider}.
 *
 * @param weights {@code nano}, or a directory with {@code ImageReward.pt} (or {@code
 *     model.safetensors}) and {@code med_config.json}
 * @param tokenizer a {@code tokenizer.json}, or the directory of one, such as a snapshot of {@code
 *     google-bert/bert-base-uncased}; by default it lies beside the weights
 */
public record ImageRewardConfig(String weights, @Nullable String tokenizer) {
  public ImageRewardConfig(@Nullable String weights, @Nullable String tokenizer) {
    this.weights =
        ClipConfig.requireWeights(
            weights, "nano, or the directory of a snapshot of THUDM/ImageReward");
    this.tokenizer = tokenizer;
  }

  /** The configuration of weights with their tokenizer beside them. */
  static ImageRewardConfig of(String weights) {
    return new ImageRewardConfig(weights, null);
  }
}
