package org.espalier.models.diffusion;

import java.util.List;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * Configuration of a FLUX.2-klein model. What is left out comes from the weights' directory.
 *
 * @param weights a directory in the diffusers layout, or the transformer's file in the Black Forest
 *     Labs layout with {@code text_encoder/}, {@code tokenizer/} and {@code ae.safetensors} or
 *     {@code vae/} beside it; {@code random:klein-4b}, {@code random:klein-base-4b} and {@code
 *     random:klein-9b} are untrained networks of the published sizes; required
 * @param variant {@code distilled} (4 steps, no guidance) or {@code base} (classifier-free
 *     guidance, 50 steps); left out: inferred from {@code model_index.json} or the file's name
 * @param sampler how the flow is integrated
 * @param guidance the scale of classifier-free guidance for {@code base} weights, from 1 (off, one
 *     row an evaluation) to 100; default 4
 * @param negativePrompt what guidance leads away from; default empty
 * @param width of the images in pixels, a multiple of 16; default 1024
 * @param height of the images in pixels, likewise
 * @param autoencoder file or directory of the autoencoder
 * @param textEncoder directory of the Qwen3 encoder: {@code config.json} and weights
 * @param tokenizer directory or file of its tokenizer
 * @param textLength tokens to which texts are padded or cut; default 512
 */
public record Flux2Config(
    @Nullable String weights,
    @Nullable String variant,
    @Nullable FlowSamplerConfig sampler,
    @Nullable Double guidance,
    @Nullable String negativePrompt,
    @Nullable Integer width,
    @Nullable Integer height,
    @Nullable String autoencoder,
    @Nullable String textEncoder,
    @Nullable String tokenizer,
    @Nullable Integer textLength) {
  static final String DISTILLED = "distilled";
  static final String BASE = "base";

  public Flux2Config {
    weights = FlowOptions.checkWeights(weights, "black-forest-labs/FLUX.2-klein-4B");
    sampler = sampler == null ? FlowSamplerConfig.DEFAULT : sampler;
    FlowSampling.refuseResolutionShift(sampler, "FLUX.2");
    if (variant != null && !List.of(DISTILLED, BASE).contains(variant)) {
      throw EspalierException.config(
              "The variant (" + variant + ") is not known.",
              "Maybe set variant to distilled or base.")
          .about("variant");
    }
    FlowOptions.checkGuidance(guidance);
    FluxConfig.side("width", width);
    FluxConfig.side("height", height);
    FlowOptions.checkTextLength(textLength);
  }

  /** The configuration of weights, all else by default. */
  static Flux2Config of(String weights) {
    return new Flux2Config(weights, null, null, null, null, null, null, null, null, null, null);
  }
}
