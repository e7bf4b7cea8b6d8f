package org.espalier.models.diffusion;

import java.util.Map;
import java.util.TreeMap;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * What the configurations of flows share, with everything filled in.
 *
 * @param sampling the sampler and its schedule
 * @param guidance scale of classifier-free guidance, {@code negative + scale (positive -
 *     negative)}; 1 is off
 * @param cap bound of the norm of a guided velocity in those of the positive one; 0 for none
 * @param negativePrompt what guidance leads away from
 * @param width in pixels
 * @param height in pixels
 */
record FlowOptions(
    FlowSampling sampling,
    double guidance,
    double cap,
    String negativePrompt,
    int width,
    int height) {

  /**
   * Options of which all but the sampler's have been filled in.
   *
   * @param sampling the sampler and its schedule
   * @param guidance scale of classifier-free guidance; 1 is off
   * @param negativePrompt what guidance leads away from, or null for nothing
   * @param width in pixels
   * @param height in pixels
   * @param multiple pixels of one token
   * @throws EspalierException CONFIG for a negative prompt without effect, or sides that make no
   *     whole number of tokens
   */
  static FlowOptions of(
      FlowSampling sampling,
      double guidance,
      @Nullable String negativePrompt,
      int width,
      int height,
      int multiple) {
    if (negativePrompt != null && guidance == 1) {
      throw EspalierException.config(
              "The negativePrompt (" + negativePrompt + ") has no effect without guidance.",
              "Maybe remove it, or set guidance where the weights allow it.")
          .about("negativePrompt");
    }
    requireMultiple("width", width, multiple);
    requireMultiple("height", height, multiple);
    return new FlowOptions(
        sampling, guidance, 0, negativePrompt == null ? "" : negativePrompt, width, height);
  }

  private static void requireMultiple(String name, int pixels, int multiple) {
    if (pixels % multiple != 0) {
      throw EspalierException.config(
              "The %s (%d) is not a multiple of the %d pixels that make one token."
                  .formatted(name, pixels, multiple),
              "Maybe set %s to %d."
                  .formatted(name, Math.max(1, Math.round(pixels / (float) multiple)) * multiple))
          .about(name);
    }
  }

  /**
   * The same with a bound of guided velocities.
   *
   * @param bound in norms of the positive velocity; 0 for none
   */
  FlowOptions capped(double bound) {
    return new FlowOptions(sampling, guidance, bound, negativePrompt, width, height);
  }

  /**
   * Refuses a guidance scale out of range.
   *
   * @param guidance from 1 (off) to 100, or null
   */
  static void checkGuidance(@Nullable Double guidance) {
    if (guidance != null && !(guidance >= 1 && guidance <= 100)) {
      throw EspalierException.config(
              "The guidance (" + guidance + ") must lie in [1, 100].",
              "Maybe set guidance to 1 to switch it off.")
          .about("guidance");
    }
  }

  /**
   * Refuses guidance of weights that were distilled to need none.
   *
   * @param guidance what was asked for, or null
   * @param off the value that switches it off
   * @param weights what has none, for messages
   */
  static void refuseGuidance(@Nullable Double guidance, double off, String weights) {
    if (guidance != null && guidance != off) {
      throw EspalierException.config(
              "The guidance (%s) cannot be used with %s: they were distilled to need none."
                  .formatted(guidance, weights),
              "Maybe remove guidance, or use the weights that are not distilled.")
          .about("guidance");
    }
  }

  /**
   * Refuses a text length out of range.
   *
   * @param tokens from 1 to 4096, or null
   */
  static void checkTextLength(@Nullable Integer tokens) {
    if (tokens != null && (tokens < 1 || tokens > 4096)) {
      throw EspalierException.config(
              "The text length (" + tokens + ") must lie in [1, 4096].",
              "Maybe set textLength to 512.")
          .about("textLength");
    }
  }

  /**
   * The weights of a model that has no bundled ones.
   *
   * @param weights what was asked for, or null
   * @param published where they are published, for messages
   */
  static String checkWeights(@Nullable String weights, String published) {
    if (weights == null || weights.isBlank()) {
      throw EspalierException.config(
              "The weights are not set.", "Maybe set weights to a copy of " + published + ".")
          .about("weights");
    }
    return weights;
  }

  /** Whether two rows make an evaluation. */
  boolean guided() {
    return guidance != 1;
  }

  /** What a model's card says of them, but for the sampler. */
  Map<String, String> facts() {
    Map<String, String> facts = new TreeMap<>();
    facts.put("guidance", Double.toString(guidance));
    facts.put("negativePrompt", negativePrompt);
    return facts;
  }
}
