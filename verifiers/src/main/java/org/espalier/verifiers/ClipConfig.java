package org.espalier.verifiers;

import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * Configuration of {@link ClipProvider}.
 *
 * @param weights {@code nano}, or the directory of a Hugging Face CLIP snapshot: {@code
 *     config.json}, {@code model.safetensors} or {@code pytorch_model.bin}, {@code tokenizer.json}
 *     and, optionally, {@code preprocessor_config.json}
 */
public record ClipConfig(String weights) {
  public ClipConfig(@Nullable String weights) {
    this.weights =
        requireWeights(
            weights, "nano, or the directory of a snapshot of " + ClipScore.CLIP.example());
  }

  static String requireWeights(@Nullable String weights, String possible) {
    if (weights == null || weights.isBlank()) {
      throw EspalierException.config(
              "The verifier's weights are missing.", "Maybe set weights: " + possible + ".")
          .about("weights");
    }
    return weights;
  }
}
