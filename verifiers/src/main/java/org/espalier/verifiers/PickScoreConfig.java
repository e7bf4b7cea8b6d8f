package org.espalier.verifiers;

import org.jspecify.annotations.Nullable;

/**
 * Configuration of {@link PickScoreProvider}.
 *
 * @param weights the directory of a snapshot of {@code yuvalkirstain/PickScore_v1}: {@code
 *     config.json}, {@code model.safetensors} or {@code pytorch_model.bin}, {@code tokenizer.json}
 *     and, optionally, {@code preprocessor_config.json}
 */
public record PickScoreConfig(String weights) {
  public PickScoreConfig(@Nullable String weights) {
    this.weights =
        ClipConfig.requireWeights(
            weights, "the directory of a snapshot of " + ClipScore.PICKSCORE.example());
  }
}
