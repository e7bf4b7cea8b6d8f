package org.espalier.verifiers;

import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * Configuration of {@link AestheticProvider}.
 *
 * @param weights the file {@code sac+logos+ava1-l14-linearMSE.pth} of LAION's improved aesthetic
 *     predictor, or a directory with it or with {@code model.safetensors}
 * @param clip the directory of a snapshot of {@code openai/clip-vit-large-patch14}
 */
public record AestheticConfig(String weights, String clip) {
  public AestheticConfig(@Nullable String weights, @Nullable String clip) {
    if (weights == null || weights.isBlank()) {
      throw EspalierException.config(
              "The aesthetic predictor's weights are missing.",
              "Maybe set weights: sac+logos+ava1-l14-linearMSE.pth.")
          .about("weights");
    }
    if (clip == null || clip.isBlank()) {
      throw EspalierException.config(
              "The aesthetic predictor's clip, whose embeddings it reads, is missing.",
              "Maybe set clip: the directory of a snapshot of openai/clip-vit-large-patch14.")
          .about("clip");
    }
    this.weights = weights;
    this.clip = clip;
  }
}
