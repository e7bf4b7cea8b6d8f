package org.espalier.models.diffusion;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Map;
import java.util.TreeMap;
import org.espalier.api.EspalierException;
import org.espalier.models.diffusion.FluxConfig.Variant;

/**
 * A configuration with everything filled in.
 *
 * @param variant the kind of weights
 * @param sampling the sampler and its schedule
 * @param guidance the distilled guidance scale
 * @param trueCfg the scale of classifier-free guidance; 1 is off
 * @param negativePrompt what it leads away from
 * @param width in pixels
 * @param height in pixels
 * @param textTokens length of the T5 sequence
 * @param licence of the weights
 */
record FluxSettings(
    Variant variant,
    FlowSampling sampling,
    double guidance,
    double trueCfg,
    String negativePrompt,
    int width,
    int height,
    int textTokens,
    String licence) {
  /**
   * Fills in what a configuration leaves to the weights, and checks it against them.
   *
   * @param config what was asked for
   * @param own the weights' own configuration; may be missing
   * @param flow the transformer
   * @param transformer where it comes from, for messages
   * @param image the autoencoder
   * @param autoencoder where it comes from, for messages
   * @throws EspalierException CONFIG where they do not fit together
   */
  static FluxSettings of(
      FluxConfig config,
      JsonNode own,
      FluxArchitecture flow,
      String transformer,
      KlArchitecture image,
      String autoencoder) {
    Variant variant = variant(config, own, flow, transformer);
    if (config.guidance() != null && variant != Variant.DEV) {
      throw FluxConfig.guidanceWithout(variant.id(), config.guidance());
    }
    flow.requireLatent(image, transformer, autoencoder);
    int side = own.path("image_size").asInt(1024);
    int width = config.width() == null ? side : config.width();
    int height = config.height() == null ? side : config.height();
    int multiple = image.stride() * KlArchitecture.PATCH;
    requireMultiple("width", width, multiple, image);
    requireMultiple("height", height, multiple, image);
    FlowSamplerConfig sampler =
        config.sampler() == null ? FlowSamplerConfig.DEFAULT : config.sampler();
    int imageTokens = (width / multiple) * (height / multiple);
    JsonNode ownSampler = own.path("sampler");
    int usualSteps = ownSampler.path("steps").asInt(variant == Variant.SCHNELL ? 4 : 30);
    Double guidance = config.guidance();
    Integer textTokens = config.textLength();
    Double asked = config.trueCfg();
    double trueCfg = asked == null ? ownSampler.path("true_cfg").asDouble(1) : asked;
    String negative = config.negativePrompt();
    if (negative != null && trueCfg == 1) {
      throw EspalierException.config(
          "The negativePrompt (" + negative + ") has no effect without classifier-free guidance.",
          "Maybe set trueCfg above 1, or remove negativePrompt.");
    }
    return new FluxSettings(
        variant,
        FlowSampling.of(
            sampler,
            usualSteps,
            steps -> shift(sampler, variant, ownSampler, imageTokens),
            FlowSchedule::times),
        guidance == null ? 3.5 : guidance,
        trueCfg,
        negative == null ? "" : negative,
        width,
        height,
        textTokens == null
            ? own.path("text").path("t5_max_length").asInt(variant == Variant.SCHNELL ? 256 : 512)
            : textTokens,
        own.path("licence")
            .asText(
                switch (variant) {
                  case DEV -> "FLUX.1 [dev] Non-Commercial License";
                  case SCHNELL -> "Apache-2.0";
                  case NANO -> "unknown";
                }));
  }

  /** The shift where none is fixed. */
  private static double shift(
      FlowSamplerConfig sampler, Variant variant, JsonNode ownSampler, int imageTokens) {
    Boolean resolution = sampler.resolutionShift();
    if (Boolean.TRUE.equals(resolution)) {
      return FlowSchedule.resolutionShift(imageTokens);
    }
    if (Boolean.FALSE.equals(resolution)) {
      return 1;
    }
    if (ownSampler.path("shift").isNumber()) {
      return ownSampler.path("shift").asDouble();
    }
    return variant == Variant.SCHNELL ? 1 : FlowSchedule.resolutionShift(imageTokens);
  }

  /**
   * Refuses sides that make no whole number of tokens.
   *
   * @param name of the setting
   * @param pixels its value
   * @param multiple pixels of a token
   * @param autoencoder whose stride it is
   */
  static void requireMultiple(String name, int pixels, int multiple, KlArchitecture autoencoder) {
    if (pixels % multiple != 0) {
      throw EspalierException.config(
          "The %s (%d) gives a latent of %s pixels, which is not a multiple of the patch size %d."
              .formatted(
                  name,
                  pixels,
                  pixels % autoencoder.stride() == 0
                      ? Integer.toString(pixels / autoencoder.stride())
                      : "%.2f".formatted(pixels / (double) autoencoder.stride()),
                  KlArchitecture.PATCH),
          "Maybe set %s to %d."
              .formatted(name, Math.max(1, Math.round(pixels / (float) multiple)) * multiple));
    }
  }

  private static Variant variant(
      FluxConfig config, JsonNode own, FluxArchitecture flow, String transformer) {
    String asked = config.variant();
    Variant found =
        flow.guidanceEmbedded()
            ? Variant.DEV
            : own.path("sampler").has("true_cfg") ? Variant.NANO : Variant.SCHNELL;
    if (asked == null) {
      return found;
    }
    Variant variant = Variant.of(asked);
    if ((variant == Variant.DEV) != flow.guidanceEmbedded()) {
      throw EspalierException.config(
          "The variant (%s) does not fit the weights %s, which have %s guidance embedding."
              .formatted(asked, transformer, flow.guidanceEmbedded() ? "a" : "no"),
          "Maybe remove variant: it is inferred from the weights (%s).".formatted(found.id()));
    }
    return variant;
  }

  /** What all flows have. */
  FlowOptions options() {
    return new FlowOptions(sampling, trueCfg, 0, negativePrompt, width, height);
  }

  /** What the model's card says of it. */
  Map<String, String> facts(FluxArchitecture flow) {
    Map<String, String> facts = new TreeMap<>();
    facts.put("variant", variant.id());
    if (flow.guidanceEmbedded()) {
      facts.put("guidance", Double.toString(guidance));
    }
    facts.put("trueCfg", Double.toString(trueCfg));
    facts.put("negativePrompt", negativePrompt);
    facts.put("textTokens", Integer.toString(textTokens));
    return facts;
  }
}
