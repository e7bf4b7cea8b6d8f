package org.espalier.verifiers;

import org.jspecify.annotations.Nullable;

/**
 * Configuration of {@link SiglipProvider}.
 *
 * @param weights the directory of a snapshot such as {@code google/siglip-so400m-patch14-384}:
 *     {@code config.json}, {@code model.safetensors}, {@code tokenizer.json} and, optionally,
 *     {@code preprocessor_config.json}
 */
public record SiglipConfig(String weights) {
  public SiglipConfig(@Nullable String weights) {
    this.weights =
        ClipConfig.requireWeights(
            weights, "the directory of a snapshot of " + ClipScore.SIGLIP.example());
  }
}
