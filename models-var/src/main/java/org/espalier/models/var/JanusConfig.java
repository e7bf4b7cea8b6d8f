package org.espalier.models.var;

import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * Configuration of Janus-Pro (<a href="https://arxiv.org/abs/2501.17811">Chen et al. 2025</a>), a
 * next-token model.
 *
 * @param weights directory of a snapshot ({@code deepseek-community/Janus-Pro-1B} or {@code
 *     deepseek-ai/Janus-Pro-1B}, or the larger ones), or the file of its weights; {@code random:1b}
 *     and {@code random:7b} are untrained networks of the published sizes, for measuring speed and
 *     memory
 * @param stepTokens tokens that a step draws: a divisor of the image's, so that a search chooses
 *     after so many; by default one row of the raster, 24
 * @param cfg strength of guidance, from 0 to 1000; 1 is none; default 5
 * @param tau temperature, positive; default 1
 * @param topK keep so many of the most probable tokens; 0 for all; default 0
 * @param topP of those keep the most probable ones that together have at least this probability,
 *     from 0 to 1; 0 for all; default 0
 */
public record JanusConfig(
    String weights,
    @Nullable Integer stepTokens,
    @Nullable Double cfg,
    @Nullable Double tau,
    @Nullable Integer topK,
    @Nullable Double topP) {
  /** How weights that are not trained begin. */
  static final String RANDOM = "random:";

  public JanusConfig {
    if (weights == null || weights.isBlank()) {
      throw EspalierException.config(
              "The model janus has no weights.", "Maybe set weights: random:1b, or a directory.")
          .about("weights");
    }
    if (stepTokens != null && stepTokens < 1) {
      throw EspalierException.config(
              "The tokens of a step (" + stepTokens + ") must be positive.",
              "Maybe set stepTokens: 24, one row.")
          .about("stepTokens");
    }
    if (cfg != null && !(cfg >= 0 && cfg < 1000)) {
      throw EspalierException.config(
              "The guidance (" + cfg + ") must lie between 0 and 1000.",
              "Maybe set cfg: 5, or cfg: 1 for none.")
          .about("cfg");
    }
    TokenSampler.check(topK, topP, tau);
  }

  /**
   * A configuration with nothing but weights.
   *
   * @param weights directory or file, or {@code random:1b}
   */
  public static JanusConfig of(String weights) {
    return new JanusConfig(weights, null, null, null, null, null);
  }
}
