package org.espalier.models.var;

import java.util.List;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * Configuration of Infinity. What is left out comes from the {@code config.json} beside the
 * weights, where there is one, else from the published inference script.
 *
 * @param weights bundle name such as {@code nano}, a directory, or the transformer's file; {@code
 *     random:125m}, {@code random:1b}, {@code random:2b} and {@code random:8b} are untrained
 *     networks of the published sizes, for measuring speed and memory
 * @param vae the tokenizer's file; by default {@code vae.safetensors} or {@code infinity_vae_*.pth}
 *     beside the transformer
 * @param textEncoder directory of a T5 encoder with its tokenizer; by default {@code text_encoder}
 *     beside the transformer
 * @param pn size in pixels of the published schedules: {@code 0.06M}, {@code 0.25M}, {@code 0.60M}
 *     or {@code 1M}
 * @param aspectRatio height divided by width, one of the published ones; default 1
 * @param cfg strength of guidance, for all scales or one for each; 1 is none; default 4
 * @param cfgInsertionLayer 0 for guidance on the logits, or negative numbers: after the output of
 *     the blocks counted from the last one; default 0
 * @param tau temperature, for all scales or one for each; positive; default 0.5
 * @param topK outcomes kept of each bit: 1 makes sampling greedy, 0 keeps both; default 0
 * @param topP drop the less probable outcome of a bit where its probability is at most {@code 1 -
 *     topP}; 0 for never; default 0.97 where no {@code config.json} is found, else 0
 * @param levelEveryChunk whether the scale's embedding is added before every chunk of blocks; false
 *     for the published checkpoints
 */
public record InfinityConfig(
    String weights,
    @Nullable String vae,
    @Nullable String textEncoder,
    @Nullable String pn,
    @Nullable Double aspectRatio,
    @Nullable List<Double> cfg,
    @Nullable List<Integer> cfgInsertionLayer,
    @Nullable List<Double> tau,
    @Nullable Integer topK,
    @Nullable Double topP,
    @Nullable Boolean levelEveryChunk) {
  /** How weights that are not trained begin. */
  static final String RANDOM = "random:";

  public InfinityConfig {
    if (weights == null || weights.isBlank()) {
      throw EspalierException.config(
              "The model infinity has no weights.", "Maybe set weights: nano, or a directory.")
          .about("weights");
    }
    if (aspectRatio != null && !(aspectRatio > 0)) {
      throw EspalierException.config(
              "The aspect ratio (" + aspectRatio + ", height by width) must be positive.",
              "Maybe set aspectRatio: 1.")
          .about("aspectRatio");
    }
    if (cfg != null) {
      cfg = List.copyOf(cfg);
      for (double strength : cfg) {
        if (!(strength >= 0 && strength < 1000)) {
          throw EspalierException.config(
                  "The guidance (" + strength + ") must lie between 0 and 1000.",
                  "Maybe set cfg: 4, or cfg: 1 for none.")
              .about("cfg");
        }
      }
    }
    if (tau != null) {
      tau = List.copyOf(tau);
      for (double temperature : tau) {
        if (!(temperature > 0 && temperature < 1000)) {
          throw EspalierException.config(
                  "The temperature (" + temperature + ") must be positive.",
                  "Maybe set tau: 0.5, or topK: 1 for greedy sampling.")
              .about("tau");
        }
      }
    }
    if (cfgInsertionLayer != null) {
      cfgInsertionLayer = List.copyOf(cfgInsertionLayer);
      for (int layer : cfgInsertionLayer) {
        if (layer > 0) {
          throw EspalierException.config(
                  "The layer of guidance (" + layer + ") must be 0 (the logits) or negative.",
                  "Maybe set cfgInsertionLayer: 0.")
              .about("cfgInsertionLayer");
        }
      }
    }
    if (topK != null && topK < 0) {
      throw EspalierException.config(
              "The number of outcomes kept (" + topK + ") must not be negative.",
              "Maybe set topK: 0 to keep both.")
          .about("topK");
    }
    if (topP != null && !(topP >= 0 && topP <= 1)) {
      throw EspalierException.config(
              "The probability kept (" + topP + ") must lie between 0 and 1.",
              "Maybe set topP: 0 to keep all.")
          .about("topP");
    }
  }

  /**
   * A configuration with nothing but weights.
   *
   * @param weights bundle name, directory or file
   */
  public static InfinityConfig of(String weights) {
    return new InfinityConfig(weights, null, null, null, null, null, null, null, null, null, null);
  }
}
