package org.espalier.models.diffusion;

import java.util.List;
import java.util.Locale;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * Configuration of a FLUX.1 model. What is left out comes from the weights' directory.
 *
 * @param weights name of a bundle on the class path ({@code nano}, {@code nano-large}), a directory
 *     (diffusers layout with {@code model_index.json}, or a directory with {@code config.json}), or
 *     one file in the Black Forest Labs layout; default {@code nano}
 * @param variant {@code dev} (distilled guidance), {@code schnell} (no guidance, few steps) or
 *     {@code nano} (classifier-free guidance); left out: inferred from the weights
 * @param sampler how the flow is integrated
 * @param guidance the guidance scale that {@code dev} was distilled for, from 0 to 100; default 3.5
 * @param trueCfg the scale of classifier-free guidance with a negative prompt, from 1 (off, one row
 *     an evaluation) to 100
 * @param negativePrompt what classifier-free guidance leads away from; default empty
 * @param width of the images in pixels, a multiple of the autoencoder's stride times the patch size
 *     2
 * @param height of the images in pixels, likewise
 * @param autoencoder file or directory of the autoencoder
 * @param textEncoder directory of the T5 encoder: {@code config.json}, weights, and {@code
 *     tokenizer.json} unless {@code tokenizer} is given
 * @param tokenizer directory or file of the T5 tokenizer
 * @param clipEncoder directory of the CLIP text encoder, likewise
 * @param clipTokenizer directory or file of the CLIP tokenizer
 * @param textLength tokens to which the T5 sequence is padded or cut; default 512, 256 for schnell
 */
public record FluxConfig(
    @Nullable String weights,
    @Nullable String variant,
    @Nullable FlowSamplerConfig sampler,
    @Nullable Double guidance,
    @Nullable Double trueCfg,
    @Nullable String negativePrompt,
    @Nullable Integer width,
    @Nullable Integer height,
    @Nullable String autoencoder,
    @Nullable String textEncoder,
    @Nullable String tokenizer,
    @Nullable String clipEncoder,
    @Nullable String clipTokenizer,
    @Nullable Integer textLength) {
  /** Pixels a side beyond which a request is taken for a mistake. */
  static final int LARGEST_SIDE = 8192;

  public FluxConfig {
    if (weights == null) {
      weights = "nano";
    }
    if (sampler == null) {
      sampler = FlowSamplerConfig.DEFAULT;
    }
    if (variant != null) {
      Variant.of(variant);
    }
    if (guidance != null && !(guidance >= 0 && guidance <= 100)) {
      throw EspalierException.config(
              "The guidance (" + guidance + ") must lie in [0, 100].", "Maybe set guidance to 3.5.")
          .about("guidance");
    }
    if (trueCfg != null && !(trueCfg >= 1 && trueCfg <= 100)) {
      throw EspalierException.config(
              "The scale of classifier-free guidance (" + trueCfg + ") must lie in [1, 100].",
              "Maybe set trueCfg to 1 to switch it off.")
          .about("trueCfg");
    }
    if (variant != null && guidance != null && Variant.of(variant) != Variant.DEV) {
      throw guidanceWithout(variant, guidance);
    }
    side("width", width);
    side("height", height);
    if (textLength != null && (textLength < 1 || textLength > 4096)) {
      throw EspalierException.config(
              "The text length (" + textLength + ") must lie in [1, 4096].",
              "Maybe set textLength to 512.")
          .about("textLength");
    }
  }

  /** The configuration of weights, all else by default. */
  static FluxConfig of(String weights) {
    return new FluxConfig(
        weights, null, null, null, null, null, null, null, null, null, null, null, null, null);
  }

  static EspalierException guidanceWithout(String variant, double guidance) {
    return EspalierException.config(
            "The weights of variant "
                + variant
                + " have no guidance embedding, but guidance is set ("
                + guidance
                + ").",
            "Maybe remove guidance, or use the dev weights"
                + (variant.equals("nano") ? ", or set trueCfg." : "."))
        .about("guidance");
  }

  static void side(String name, @Nullable Integer pixels) {
    if (pixels != null && (pixels < 1 || pixels > LARGEST_SIDE)) {
      throw EspalierException.config(
              "The " + name + " (" + pixels + ") must lie in [1, " + LARGEST_SIDE + "] pixels.",
              "Maybe set " + name + " to 1024, or 64 for nano weights.")
          .about("weights");
    }
    if (pixels != null && pixels % KlArchitecture.PATCH != 0) {
      throw EspalierException.config(
              "The " + name + " (" + pixels + ") is odd; latents are packed in patches of 2 x 2.",
              "Maybe set " + name + " to a multiple of 16, or of 8 for nano weights.")
          .about("weights");
    }
  }

  /** The kinds of weights. */
  enum Variant {
    DEV,
    SCHNELL,
    NANO;

    static Variant of(String name) {
      for (Variant variant : values()) {
        if (variant.id().equals(name)) {
          return variant;
        }
      }
      throw EspalierException.config(
              "The variant (" + name + ") is not known.",
              "Maybe set variant to one of "
                  + String.join(", ", List.of(values()).stream().map(Variant::id).toList())
                  + ".")
          .about("variant");
    }

    String id() {
      return name().toLowerCase(Locale.ROOT);
    }
  }
}
