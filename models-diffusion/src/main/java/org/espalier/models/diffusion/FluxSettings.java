package org.espalier.models.diffusion;

import com.fasterxml.jackson.databind.JsonNode;
import org.espalier.api.EspalierException;
import org.espalier.models.diffusion.FluxConfig.Variant;

/**
 * A configuration with everything filled in.
 *
 * @param variant the kind of weights
 * @param kind the sampler
 * @param steps evaluations a sample
 * @param shift the schedule's factor
 * @param noiseScale of the SDE samplers
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
    String kind,
    int steps,
    double shift,
    double noiseScale,
    double guidance,
    double trueCfg,
    String negativePrompt,
    int width,
    int height,
    int textTokens,
    String licence) {
  /** As published in the rollover-budget paper's configurations. */
  private static final double NOISE_SCALE = 3;

  /**
   * Fills in what a configuration leaves to the weights, and checks it against them.
   *
   * @param config what was asked for
   * @param files with the weights' own configuration
   * @param flow the transformer
   * @param autoencoder the autoencoder
   * @throws EspalierException CONFIG where they do not fit together
   */
  static FluxSettings of(
      FluxConfig config,
      FluxFiles files,
      FluxArchitecture flow,
      KlArchitecture autoencoder) {
    Variant variant = variant(config, files, flow);
    JsonNode own = files.config();
    if (config.guidance() != null && variant != Variant.DEV) {
      throw FluxConfig.guidanceWithout(variant.id(), config.guidance());
    }
    int packed = FluxArchitecture.PATCH * FluxArchitecture.PATCH * autoencoder.latentChannels();
    if (flow.latentChannels() != packed) {
      throw EspalierException.config(
          "The transformer %s reads %d channels a token, but the autoencoder %s gives %d (%d x 2 x 2)."
              .formatted(
                  files.transformer(),
                  flow.latentChannels(),
                  files.autoencoder(),
                  packed,
                  autoencoder.latentChannels()),
          "Maybe set autoencoder to the one that the transformer was trained with.");
    }
    int side = own.path("image_size").asInt(1024);
    int width = config.width() == null ? side : config.width();
    int height = config.height() == null ? side : config.height();
    int multiple = autoencoder.stride() * FluxArchitecture.PATCH;
    requireMultiple("width", width, multiple, autoencoder);
    requireMultiple("height", height, multiple, autoencoder);
    FlowSamplerConfig sampler =
        config.sampler() == null ? FlowSamplerConfig.DEFAULT : config.sampler();
    int imageTokens = (width / multiple) * (height / multiple);
    JsonNode ownSampler = own.path("sampler");
    Integer steps = sampler.steps();
    Double noiseScale = sampler.noiseScale();
    Double guidance = config.guidance();
    Double trueCfg = config.trueCfg();
    Integer textTokens = config.textLength();
    String negative = config.negativePrompt();
    String kind = sampler.kind() == null ? "ode" : sampler.kind();
    int defaultSteps = variant == Variant.SCHNELL ? 4 : 30;
    int defaultLength = variant == Variant.SCHNELL ? 256 : 512;
    return new FluxSettings(
        variant,
        kind,
        steps == null ? ownSampler.path("steps").asInt(defaultSteps) : steps,
        shift(sampler, kind, variant, ownSampler, imageTokens),
        noiseScale == null ? NOISE_SCALE : noiseScale,
        guidance == null ? 3.5 : guidance,
        trueCfg == null ? ownSampler.path("true_cfg").asDouble(1) : trueCfg,
        negative == null ? "" : negative,
        width,
        height,
        textTokens == null
            ? own.path("text").path("t5_max_length").asInt(defaultLength)
            : textTokens,
        own.path("licence")
            .asText(
                switch (variant) {
                  case DEV -> "FLUX.1 [dev] Non-Commercial License";
                  case SCHNELL -> "Apache-2.0";
                  case NANO -> "unknown";
                }));
  }

  private static double shift(
      FlowSamplerConfig sampler,
      String kind,
      Variant variant,
      JsonNode ownSampler,
      int imageTokens) {
    Double fixed = sampler.shift();
    if (fixed != null) {
      return fixed;
    }
    Boolean resolution = sampler.resolutionShift();
    if (Boolean.TRUE.equals(resolution)) {
      return FlowSchedule.resolutionShift(imageTokens);
    }
    // The variance-preserving times already dwell on noise; shifting them too would leave few
    // others.
    if (kind.equals("vp-sde") || Boolean.FALSE.equals(resolution)) {
      return 1;
    }
    if (ownSampler.path("shift").isNumber()) {
      return ownSampler.path("shift").asDouble();
    }
    return variant == Variant.SCHNELL ? 1 : FlowSchedule.resolutionShift(imageTokens);
  }

  /**
   * What FLUX.1-dev is sampled with where nothing else is asked for.
   *
   * @param config sampler, size and text length may be set
   */
  static FluxSettings published(FluxConfig config) {
    FlowSamplerConfig sampler =
        config.sampler() == null ? FlowSamplerConfig.DEFAULT : config.sampler();
    Integer steps = sampler.steps();
    Integer textTokens = config.textLength();
    int width = config.width() == null ? 1024 : config.width();
    int height = config.height() == null ? 1024 : config.height();
    return new FluxSettings(
        Variant.DEV,
        "ode",
        steps == null ? 30 : steps,
        FlowSchedule.resolutionShift(width / 16 * (height / 16)),
        NOISE_SCALE,
        3.5,
        1,
        "",
        width,
        height,
        textTokens == null ? 512 : textTokens,
        "none: the weights are random");
  }

  private static void requireMultiple(
      String name, int pixels, int multiple, KlArchitecture autoencoder) {
    if (pixels % multiple != 0) {
      throw EspalierException.config(
          "The %s (%d) gives a latent of %s pixels, which is not a multiple of the patch size %d."
              .formatted(
                  name,
                  pixels,
                  pixels % autoencoder.stride() == 0
                      ? Integer.toString(pixels / autoencoder.stride())
                      : "%.2f".formatted(pixels / (double) autoencoder.stride()),
                  FluxArchitecture.PATCH),
          "Maybe set %s to %d."
              .formatted(name, Math.max(1, Math.round(pixels / (float) multiple)) * multiple));
    }
  }

  private static Variant variant(FluxConfig config, FluxFiles files, FluxArchitecture flow) {
    String asked = config.variant();
    Variant found =
        flow.guidanceEmbedded()
            ? Variant.DEV
            : files.config().path("sampler").has("true_cfg") ? Variant.NANO : Variant.SCHNELL;
    if (asked == null) {
      return found;
    }
    Variant variant = Variant.of(asked);
    if ((variant == Variant.DEV) != flow.guidanceEmbedded()) {
      throw EspalierException.config(
          "The variant (%s) does not fit the weights %s, which have %s guidance embedding."
              .formatted(asked, files.transformer(), flow.guidanceEmbedded() ? "a" : "no"),
          "Maybe remove variant: it is told from the weights (%s).".formatted(found.id()));
    }
    return variant;
  }

  /** The sampler that this asks for. */
  FlowSampler sampler() {
    double[] times = FlowSchedule.times(steps, shift);
    return switch (kind) {
      case "sde" -> FlowSampler.sde(times, noiseScale);
      case "vp-sde" -> FlowSampler.vpSde(times, noiseScale);
      default -> FlowSampler.ode(times);
    };
  }
}
