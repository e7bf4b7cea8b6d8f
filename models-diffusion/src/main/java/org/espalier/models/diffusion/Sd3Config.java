package org.espalier.models.diffusion;

import java.util.List;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * Configuration of a Stable Diffusion 3.5 model. What is left out comes from the weights'
 * directory.
 *
 * @param weights a directory in the diffusers layout, or a file of Stability AI ({@code
 *     sd3.5_medium.safetensors}, {@code sd3.5_large.safetensors}) with the text encoders' and
 *     tokenizers' directories beside it; {@code random:medium} and {@code random:large} are
 *     untrained networks of the published sizes; required
 * @param variant {@code base} (classifier-free guidance) or {@code turbo} (distilled, 4 steps, no
 *     guidance); left out: inferred from the name of the weights, which hold nothing that says it
 * @param sampler how the flow is integrated; the shift is that of the weights' scheduler
 * @param guidance the scale of classifier-free guidance, from 1 (off, one row an evaluation) to
 *     100; default 4.5, 3.5 for large
 * @param negativePrompt what guidance leads away from; default empty
 * @param width of the images in pixels, a multiple of 16; default 1024
 * @param height of the images in pixels, likewise
 * @param autoencoder file or directory of the autoencoder
 * @param clipEncoder directory of CLIP-L; default {@code text_encoder}
 * @param clipTokenizer directory or file of its tokenizer; default {@code tokenizer}
 * @param clipEncoder2 directory of CLIP-G; default {@code text_encoder_2}
 * @param clipTokenizer2 directory or file of its tokenizer; default {@code tokenizer_2}
 * @param textEncoder directory of the T5 encoder; default {@code text_encoder_3}
 * @param tokenizer directory or file of its tokenizer; default {@code tokenizer_3}
 * @param textLength tokens to which T5's sequence is padded or cut; default 256
 */
public record Sd3Config(
    @Nullable String weights,
    @Nullable String variant,
    @Nullable FlowSamplerConfig sampler,
    @Nullable Double guidance,
    @Nullable String negativePrompt,
    @Nullable Integer width,
    @Nullable Integer height,
    @Nullable String autoencoder,
    @Nullable String clipEncoder,
    @Nullable String clipTokenizer,
    @Nullable String clipEncoder2,
    @Nullable String clipTokenizer2,
    @Nullable String textEncoder,
    @Nullable String tokenizer,
    @Nullable Integer textLength) {
  static final String BASE = "base";
  static final String TURBO = "turbo";

  public Sd3Config {
    weights = FlowOptions.checkWeights(weights, "stabilityai/stable-diffusion-3.5-medium");
    sampler = sampler == null ? FlowSamplerConfig.DEFAULT : sampler;
    FlowSampling.refuseResolutionShift(sampler, "Stable Diffusion 3");
    if (variant != null && !List.of(BASE, TURBO).contains(variant)) {
      throw EspalierException.config(
              "The variant (" + variant + ") is not known.", "Maybe set variant to base or turbo.")
          .about("variant");
    }
    FlowOptions.checkGuidance(guidance);
    FluxConfig.side("width", width);
    FluxConfig.side("height", height);
    FlowOptions.checkTextLength(textLength);
  }

  /** The configuration of weights, all else by default. */
  static Sd3Config of(String weights) {
    return new Sd3Config(
        weights, null, null, null, null, null, null, null, null, null, null, null, null, null,
        null);
  }
}
