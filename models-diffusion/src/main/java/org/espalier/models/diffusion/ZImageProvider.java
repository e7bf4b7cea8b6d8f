package org.espalier.models.diffusion;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.espalier.api.EspalierException;
import org.espalier.spi.LoadContext;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightsLocation;
import org.espalier.weights.ModelJson;

/** Loads Z-Image and Z-Image-Turbo. */
public final class ZImageProvider extends FlowProvider<ZImageConfig> {
  public ZImageProvider() {
    super("z-image", ZImageConfig.class);
  }

  @Override
  FlowBlueprint blueprint(ZImageConfig config, LoadContext context) {
    String weights = Objects.requireNonNull(config.weights());
    if (weights.startsWith(FlowBlueprint.RANDOM)) {
      return random(config, weights);
    }
    Path root = WeightsLocation.resolve(id(), weights, context);
    PipelineFiles files =
        PipelineFiles.locate(
            root, context.baseDirectory(), "Z-Image", List.of("ZImagePipeline"), List.of());
    Path autoencoder = files.part("autoencoder", "autoencoder", config.autoencoder(), "vae");
    QwenText.Files text = QwenText.Files.locate(files, config.textEncoder(), config.tokenizer());
    OpenWeights open = new OpenWeights();
    try {
      WeightSource flowWeights = open.open(files.transformer(), ZImageArchitecture::layout);
      ZImageArchitecture flow =
          ZImageArchitecture.of(flowWeights, PipelineFiles.config(files.transformer()));
      WeightSource imageWeights = open.open(autoencoder, DiffusersWeights::autoencoder);
      KlArchitecture image =
          KlArchitecture.of(
              imageWeights, PipelineFiles.config(autoencoder), KlArchitecture.Scale.FLUX);
      image.requireChannels(flow.latentChannels(), files.transformer(), autoencoder);
      // The states before the last layer.
      List<Integer> taken = List.of(text.config().numHiddenLayers() - 1);
      text.requireWidth(taken, flow.textWidth(), "Z-Image wants Qwen3-4B");
      String variant = variant(config, weights, root);
      double shift =
          ModelJson.optional(files.home().resolve("scheduler").resolve("scheduler_config.json"))
              .path("shift")
              .asDouble(usualShift(variant));
      FlowOptions options = options(config, variant, shift, image);
      flow.spec().check(flowWeights);
      image.spec().check(imageWeights);
      return new FlowBlueprint(
          open,
          weights,
          "Apache-2.0",
          flow,
          flow.program(),
          flowWeights,
          FlowBlueprint.kl(image, false, imageWeights),
          KlArchitecture.PATCH * image.stride(),
          text.loader(open, taken, length(config), true, false),
          options,
          facts(config, variant, options));
    } catch (RuntimeException e) {
      open.close();
      throw e;
    }
  }

  private static FlowBlueprint random(ZImageConfig config, String weights) {
    String variant = weights.substring(FlowBlueprint.RANDOM.length());
    if (!List.of(ZImageConfig.TURBO, ZImageConfig.BASE).contains(variant)) {
      throw EspalierException.config(
              "The weights (" + weights + ") are not of a published Z-Image.",
              "Maybe use random:turbo, random:base, or the weights' directory.")
          .about("weights");
    }
    ZImageArchitecture flow = ZImageArchitecture.PUBLISHED;
    KlArchitecture image = KlArchitecture.published(16, KlArchitecture.Scale.FLUX);
    FlowOptions options = options(config, variant, usualShift(variant), image);
    int length = length(config);
    return new FlowBlueprint(
        new OpenWeights(),
        weights,
        "Apache-2.0",
        flow,
        flow.program(),
        null,
        FlowBlueprint.kl(image, false, null),
        KlArchitecture.PATCH * image.stride(),
        FlowBlueprint.untrained(length, new long[] {1, length, flow.textWidth()}),
        options,
        facts(config, variant, options));
  }

  /** Nothing inside the weights says it, but their published names do. */
  private static String variant(ZImageConfig config, String weights, Path root) {
    String asked = config.variant();
    if (asked != null) {
      return asked;
    }
    String name = (weights + " " + root.toAbsolutePath()).toLowerCase(Locale.ROOT);
    if (name.contains("turbo")) {
      return ZImageConfig.TURBO;
    }
    if (name.contains("z-image")) {
      return ZImageConfig.BASE;
    }
    throw EspalierException.config(
            "The weights " + weights + " do not say whether they are distilled.",
            "Maybe set variant to turbo or base.")
        .about("variant");
  }

  private static double usualShift(String variant) {
    return variant.equals(ZImageConfig.TURBO) ? 3 : 6;
  }

  private static FlowOptions options(
      ZImageConfig config, String variant, double shift, KlArchitecture image) {
    boolean turbo = variant.equals(ZImageConfig.TURBO);
    if (turbo) {
      FlowOptions.refuseGuidance(config.guidance(), 0, "the variant turbo");
    }
    Double asked = config.guidance();
    double guidance = asked != null ? asked : turbo ? 0 : 4;
    Double cap = config.cfgNormalization();
    if (cap != null && guidance == 0) {
      throw EspalierException.config(
              "The cfgNormalization (" + cap + ") has no effect without guidance.",
              "Maybe remove it, or set guidance where the weights allow it.")
          .about("cfgNormalization");
    }
    int width = config.width() == null ? 1024 : config.width();
    int height = config.height() == null ? 1024 : config.height();
    FlowSampling sampling =
        FlowSampling.of(
            Objects.requireNonNull(config.sampler()),
            turbo ? 8 : 50,
            steps -> shift,
            FlowSchedule::times);
    return FlowOptions.of(
            sampling,
            1 + guidance,
            config.negativePrompt(),
            width,
            height,
            image.stride() * KlArchitecture.PATCH)
        .capped(cap == null ? 0 : cap);
  }

  private static Map<String, String> facts(
      ZImageConfig config, String variant, FlowOptions options) {
    Map<String, String> facts = options.facts();
    facts.put("variant", variant);
    facts.put("guidance", Double.toString(options.guidance() - 1)); // as it is configured
    if (options.cap() > 0) {
      facts.put("cfgNormalization", Double.toString(options.cap()));
    }
    facts.put("textTokens", "at most " + length(config));
    return facts;
  }

  private static int length(ZImageConfig config) {
    Integer asked = config.textLength();
    return asked == null ? 512 : asked;
  }
}
