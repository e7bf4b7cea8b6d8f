package org.espalier.models.var;

import org.espalier.api.EspalierException;
import org.espalier.api.Noise;
import org.espalier.noise.KeyedNoise;
import org.jspecify.annotations.Nullable;

/**
 * How tokens are drawn from their logits, each for itself; {@code categorical.py} draws.
 *
 * @param topK keep so many of the most probable tokens; 0 for all
 * @param topP of those keep the most probable ones that together have at least this probability; 0
 *     for all
 */
record TokenSampler(int topK, double topP) {
  /**
   * Checks what a configuration says.
   *
   * @param topK at least 0, or null
   * @param topP from 0 to 1, or null
   * @param temperature positive, or null
   */
  static void check(@Nullable Integer topK, @Nullable Double topP, @Nullable Double temperature) {
    if (topK != null && topK < 0) {
      throw EspalierException.config(
          "The number of tokens kept (" + topK + ") must not be negative.",
          "Maybe set topK: 0 to keep all.");
    }
    if (topP != null && !(topP >= 0 && topP <= 1)) {
      throw EspalierException.config(
          "The probability kept (" + topP + ") must lie between 0 and 1.",
          "Maybe set topP: 0 to keep all.");
    }
    if (temperature != null && !(temperature > 0 && temperature < 1000)) {
      throw EspalierException.config(
          "The temperature (" + temperature + ") must be positive.",
          "Maybe set tau: 1, or topK: 1 for greedy sampling.");
    }
  }

  /**
   * The numbers that decide a draw, one a token.
   *
   * @param noise of the draw
   * @param tokens of the step
   * @param step from 0
   * @return in [0, 1); empty for {@link Noise.Mode}
   */
  float[] uniform(Noise noise, int tokens, int step) {
    return noise instanceof Noise.Mode ? new float[0] : KeyedNoise.uniform(noise, step, tokens);
  }
}
