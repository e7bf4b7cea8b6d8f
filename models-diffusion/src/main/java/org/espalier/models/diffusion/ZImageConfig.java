package org.espalier.models.diffusion;

import java.util.List;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * Configuration of a Z-Image model. What is left out comes from the weights' directory.
 *
 * @param weights a directory in the diffusers layout; {@code random:turbo} and {@code random:base}
 *     are untrained networks of the published size; required
 * @param variant {@code turbo} (8 steps, distilled, no guidance) or {@code base} (classifier-free
 *     guidance, 50 steps); left out: inferred from the name of the weights, which hold nothing that
 *     says it
 * @param sampler how the flow is integrated; the shift is that of the weights' scheduler
 * @param guidance the scale of guidance as the published pipeline takes it, {@code positive + scale
 *     (positive - negative)}: one less than the usual weight, from 0 (off, one row an evaluation)
 *     to 100; default 4 for {@code base}
 * @param cfgNormalization bound of the norm of a guided velocity in those of the positive one,
 *     positive; left out: none
 * @param negativePrompt what guidance leads away from; default empty
 * @param width of the images in pixels, a multiple of 16; default 1024
 * @param height of the images in pixels, likewise
 * @param autoencoder file or directory of the autoencoder
 * @param textEncoder directory of the Qwen3 encoder: {@code config.json} and weights
 * @param tokenizer directory or file of its tokenizer
 * @param textLength tokens at which texts are cut; default 512
 */
public record ZImageConfig(
    @Nullable String weights,
    @Nullable String variant,
    @Nullable FlowSamplerConfig sampler,
    @Nullable Double guidance,
    @Nullable Double cfgNormalization,
    @Nullable String negativePrompt,
    @Nullable Integer width,
    @Nullable Integer height,
    @Nullable String autoencoder,
    @Nullable String textEncoder,
    @Nullable String tokenizer,
    @Nullable Integer textLength) {
  static final String TURBO = "turbo";
  static final String BASE = "base";

  public ZImageConfig {
    weights = FlowOptions.checkWeights(weights, "Tongyi-MAI/Z-Image-Turbo");
    sampler = sampler == null ? FlowSamplerConfig.DEFAULT : sampler;
    FlowSampling.refuseResolutionShift(sampler, "Z-Image");
    if (variant != null && !List.of(TURBO, BASE).contains(variant)) {
      throw EspalierException.config(
              "The variant (" + variant + ") is not known.", "Maybe set variant to turbo or base.")
          .about("variant");
    }
    if (guidance != null && !(guidance >= 0 && guidance <= 100)) {
      throw EspalierException.config(
              "The guidance (" + guidance + ") must lie in [0, 100].",
              "Maybe set guidance to 0 to switch it off.")
          .about("guidance");
    }
    if (cfgNormalization != null && !(cfgNormalization > 0 && cfgNormalization <= 100)) {
      throw EspalierException.config(
              "The cfgNormalization (" + cfgNormalization + ") must lie in (0, 100].",
              "Maybe remove it, or set it to 1.")
          .about("cfgNormalization");
    }
    FluxConfig.side("width", width);
    FluxConfig.side("height", height);
    FlowOptions.checkTextLength(textLength);
  }

  /** The configuration of weights, all else by default. */
  static ZImageConfig of(String weights) {
    return new ZImageConfig(
        weights, null, null, null, null, null, null, null, null, null, null, null);
  }
}
