package org.espalier.models.var;

import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * Configuration of VAR (<a href="https://arxiv.org/abs/2404.02905">Tian et al. 2024</a>). A prompt
 * is a class: its number ({@code 207}) or its name ({@code golden retriever}, also {@code a photo
 * of a golden retriever}).
 *
 * @param weights a directory, or the transformer's file such as {@code var_d16.pth}; {@code
 *     random:d16} to {@code random:d30} and {@code random:d36} are untrained networks of the
 *     published sizes, for measuring speed and memory
 * @param vae the decoder's file; by default {@code vae.safetensors} or {@code vae_*.pth} beside the
 *     transformer
 * @param classes a text file with the name of one class a line, or several names with commas
 *     between them; by default those of ImageNet where there are 1000 classes, else numbers only
 * @param cfg strength of guidance at the last scale, growing from 0 at the first; 0 is none, at
 *     most 1000; default 1.5
 * @param tau temperature, positive; default 1
 * @param topK keep so many of the most probable tokens; 0 for all; default 900
 * @param topP of those keep the most probable ones that together have at least this probability,
 *     from 0 to 1; 0 for all; default 0.96
 */
public record VarConfig(
    String weights,
    @Nullable String vae,
    @Nullable String classes,
    @Nullable Double cfg,
    @Nullable Double tau,
    @Nullable Integer topK,
    @Nullable Double topP) {
  /** How weights that are not trained begin. */
  static final String RANDOM = "random:";

  public VarConfig {
    if (weights == null || weights.isBlank()) {
      throw EspalierException.config(
              "The model var has no weights.", "Maybe set weights: random:d16, or a directory.")
          .about("weights");
    }
    if (cfg != null && !(cfg >= 0 && cfg < 1000)) {
      throw EspalierException.config(
              "The guidance (" + cfg + ") must lie between 0 and 1000.",
              "Maybe set cfg: 1.5, or cfg: 0 for none.")
          .about("cfg");
    }
    TokenSampler.check(topK, topP, tau);
  }

  /**
   * A configuration with nothing but weights.
   *
   * @param weights directory or file, or {@code random:d16}
   */
  public static VarConfig of(String weights) {
    return new VarConfig(weights, null, null, null, null, null, null);
  }
}
