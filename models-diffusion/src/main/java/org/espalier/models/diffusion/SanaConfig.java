package org.espalier.models.diffusion;

import org.jspecify.annotations.Nullable;

/**
 * Configuration of a SANA-1.5 model. What is left out comes from the weights' directory.
 *
 * @param weights a directory in the diffusers layout, of 1024 pixels; {@code random:1.6b} and
 *     {@code random:4.8b} are untrained networks of the published sizes; required
 * @param sampler how the flow is integrated; default DPM-Solver++ with 20 steps and the shift of
 *     the weights' scheduler
 * @param guidance the scale of classifier-free guidance, from 1 (off, one row an evaluation) to
 *     100; default 4.5
 * @param negativePrompt what guidance leads away from; default empty
 * @param instruction put before every prompt, but for negative ones, as the published pipeline does
 *     with one of its own; default none
 * @param width of the images in pixels, a multiple of 32; default 1024
 * @param height of the images in pixels, likewise
 * @param autoencoder file or directory of the autoencoder
 * @param textEncoder directory of the Gemma 2 encoder: {@code config.json} and weights
 * @param tokenizer directory or file of its tokenizer
 * @param textLength tokens to which texts are filled up or cut; default 300
 */
public record SanaConfig(
    @Nullable String weights,
    @Nullable FlowSamplerConfig sampler,
    @Nullable Double guidance,
    @Nullable String negativePrompt,
    @Nullable String instruction,
    @Nullable Integer width,
    @Nullable Integer height,
    @Nullable String autoencoder,
    @Nullable String textEncoder,
    @Nullable String tokenizer,
    @Nullable Integer textLength) {
  public SanaConfig {
    weights =
        FlowOptions.checkWeights(weights, "Efficient-Large-Model/SANA1.5_1.6B_1024px_diffusers");
    sampler = sampler == null ? FlowSamplerConfig.DEFAULT : sampler;
    FlowSampling.refuseResolutionShift(sampler, "SANA");
    FlowOptions.checkGuidance(guidance);
    FluxConfig.side("width", width);
    FluxConfig.side("height", height);
    FlowOptions.checkTextLength(textLength);
  }

  /** The configuration of weights, all else by default. */
  static SanaConfig of(String weights) {
    return new SanaConfig(weights, null, null, null, null, null, null, null, null, null, null);
  }
}
