package org.espalier.models.diffusion;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.function.UnaryOperator;
import org.espalier.api.EspalierException;
import org.espalier.spi.LoadContext;
import org.espalier.torch.ClipTextConfig;
import org.espalier.torch.ClipTextEncoder;
import org.espalier.torch.T5Config;
import org.espalier.torch.T5Encoder;
import org.espalier.torch.TextTokenizer;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightsLocation;
import org.espalier.weights.ModelJson;

/** Loads Stable Diffusion 3.5, medium and large. */
public final class Sd3Provider extends FlowProvider<Sd3Config> {
  public Sd3Provider() {
    super("sd3", Sd3Config.class);
  }

  @Override
  FlowBlueprint blueprint(Sd3Config config, LoadContext context) {
    String weights = Objects.requireNonNull(config.weights());
    if (weights.startsWith(FlowBlueprint.RANDOM)) {
      return random(config, weights);
    }
    Path root = WeightsLocation.resolve(id(), weights, context);
    PipelineFiles files =
        PipelineFiles.locate(
            root,
            context.baseDirectory(),
            "Stable Diffusion 3",
            List.of("StableDiffusion3Pipeline"),
            List.of(
                "sd3.5_medium.safetensors",
                "sd3.5_large.safetensors",
                "sd3.5_large_turbo.safetensors"));
    OpenWeights open = new OpenWeights();
    try {
      WeightSource flowWeights = open.open(files.transformer(), Sd3Architecture::layout);
      JsonNode transformer =
          files.isPipeline()
              ? PipelineFiles.config(files.transformer())
              : MissingNode.getInstance();
      Sd3Architecture flow = Sd3Architecture.of(flowWeights, transformer);
      Path autoencoder = autoencoder(config, files);
      WeightSource imageWeights = open.open(autoencoder, Sd3Architecture::imageLayout);
      KlArchitecture image =
          KlArchitecture.of(
              imageWeights,
              autoencoder.equals(files.transformer())
                  ? MissingNode.getInstance()
                  : PipelineFiles.config(autoencoder),
              KlArchitecture.Scale.SD3);
      image.requireChannels(flow.latentChannels(), files.transformer(), autoencoder);
      double shift =
          ModelJson.optional(files.home().resolve("scheduler").resolve("scheduler_config.json"))
              .path("shift")
              .asDouble(3);
      String name = files.isPipeline() ? root.toString() : files.transformer().toString();
      String variant = variant(config, weights + " " + name);
      FlowOptions options = options(config, variant, shift, flow, image);
      flow.spec().check(flowWeights);
      image.spec().check(imageWeights);
      return new FlowBlueprint(
          open,
          weights,
          "Stability AI Community License",
          flow,
          flow.program(),
          flowWeights,
          FlowBlueprint.kl(image, false, imageWeights),
          KlArchitecture.PATCH * image.stride(),
          text(config, files, flow, open),
          options,
          facts(config, variant, options));
    } catch (RuntimeException e) {
      open.close();
      throw e;
    }
  }

  private static FlowBlueprint random(Sd3Config config, String weights) {
    Sd3Architecture flow =
        switch (weights.substring(FlowBlueprint.RANDOM.length())) {
          case "medium" -> Sd3Architecture.MEDIUM;
          case "large" -> Sd3Architecture.LARGE;
          default ->
              throw EspalierException.config(
                      "The weights (" + weights + ") are not of a published Stable Diffusion 3.5.",
                      "Maybe use random:medium, random:large, or the weights' directory.")
                  .about("weights");
        };
    KlArchitecture image = KlArchitecture.published(16, KlArchitecture.Scale.SD3);
    String variant = config.variant() == null ? Sd3Config.BASE : config.variant();
    FlowOptions options = options(config, variant, 3, flow, image);
    int length = 77 + length(config);
    return new FlowBlueprint(
        new OpenWeights(),
        weights,
        "",
        flow,
        flow.program(),
        null,
        FlowBlueprint.kl(image, false, null),
        KlArchitecture.PATCH * image.stride(),
        FlowBlueprint.untrained(
            length, new long[] {1, length, flow.textWidth()}, new long[] {1, flow.pooledWidth()}),
        options,
        facts(config, variant, options));
  }

  /** In a file of Stability AI the autoencoder is a part of it. */
  private static Path autoencoder(Sd3Config config, PipelineFiles files) {
    if (config.autoencoder() == null && !files.isPipeline()) {
      try (WeightSource source = WeightSource.open(files.transformer())) {
        if (Sd3Architecture.holdsAutoencoder(source)) {
          return files.transformer();
        }
      }
    }
    return files.part("autoencoder", "autoencoder", config.autoencoder(), "vae");
  }

  private static FlowBlueprint.Loader<FlowText> text(
      Sd3Config config, PipelineFiles files, Sd3Architecture flow, OpenWeights open) {
    Path largeHome =
        files.part("text encoder (CLIP-L)", "clipEncoder", config.clipEncoder(), "text_encoder");
    Path hugeHome =
        files.part(
            "text encoder (CLIP-G)", "clipEncoder2", config.clipEncoder2(), "text_encoder_2");
    Path t5Home =
        files.part("text encoder (T5)", "textEncoder", config.textEncoder(), "text_encoder_3");
    ClipTextConfig large = ClipTextConfig.read(largeHome.resolve("config.json"));
    ClipTextConfig huge = ClipTextConfig.read(hugeHome.resolve("config.json"));
    T5Config t5 = T5Config.read(t5Home.resolve("config.json"));
    WeightSource largeWeights = open.open(largeHome, UnaryOperator.identity());
    WeightSource hugeWeights = open.open(hugeHome, UnaryOperator.identity());
    WeightSource t5Weights = open.open(t5Home, UnaryOperator.identity());
    int pooled = ClipTextEncoder.projection(largeWeights) + ClipTextEncoder.projection(hugeWeights);
    large.projectedWeights(ClipTextEncoder.projection(largeWeights)).check(largeWeights);
    huge.projectedWeights(ClipTextEncoder.projection(hugeWeights)).check(hugeWeights);
    t5.weights().check(t5Weights);
    if (pooled != flow.pooledWidth()
        || t5.dModel() != flow.textWidth()
        || large.hiddenSize() + huge.hiddenSize() > flow.textWidth()
        || large.maxPositionEmbeddings() != huge.maxPositionEmbeddings()) {
      throw EspalierException.config(
          "The transformer reads texts of width %d and vectors of %d, but T5 gives %d and both CLIP encoders %d."
              .formatted(flow.textWidth(), flow.pooledWidth(), t5.dModel(), pooled),
          "Maybe a text encoder is of another model, or clipEncoder and clipEncoder2 are the same.");
    }
    Path largeTokens =
        files.tokenizer("clipTokenizer", config.clipTokenizer(), "tokenizer", largeHome);
    Path hugeTokens =
        files.tokenizer("clipTokenizer2", config.clipTokenizer2(), "tokenizer_2", hugeHome);
    Path t5Tokens = files.tokenizer("tokenizer", config.tokenizer(), "tokenizer_3", t5Home);
    long largePadding = Sd3Text.padding(largeTokens, "<|endoftext|>");
    long hugePadding = Sd3Text.padding(hugeTokens, "!");
    int clip = large.maxPositionEmbeddings();
    int length = length(config);
    return (parts, device) ->
        new Sd3Text(
            new Sd3Text.Tower(
                parts.keep(ClipTokenizerFiles.open(largeTokens, clip)),
                largePadding,
                parts.keep(ClipTextEncoder.projected(large, largeWeights, device))),
            new Sd3Text.Tower(
                parts.keep(ClipTokenizerFiles.open(hugeTokens, clip)),
                hugePadding,
                parts.keep(ClipTextEncoder.projected(huge, hugeWeights, device))),
            parts.keep(TextTokenizer.open(t5Tokens, length)),
            parts.keep(new T5Encoder(t5, t5Weights, device)));
  }

  /** Nothing inside the weights says it, but their published names do. */
  private static String variant(Sd3Config config, String name) {
    String asked = config.variant();
    if (asked != null) {
      return asked;
    }
    return name.toLowerCase(Locale.ROOT).contains("turbo") ? Sd3Config.TURBO : Sd3Config.BASE;
  }

  private static FlowOptions options(
      Sd3Config config, String variant, double shift, Sd3Architecture flow, KlArchitecture image) {
    boolean turbo = variant.equals(Sd3Config.TURBO);
    if (turbo) {
      FlowOptions.refuseGuidance(config.guidance(), 1, "the variant turbo");
    }
    boolean large = flow.width() >= Sd3Architecture.LARGE.width();
    Double asked = config.guidance();
    double guidance = asked != null ? asked : turbo ? 1 : large ? 3.5 : 4.5;
    int width = config.width() == null ? 1024 : config.width();
    int height = config.height() == null ? 1024 : config.height();
    int patch = image.stride() * KlArchitecture.PATCH;
    int largest = flow.positionsSide() * patch;
    if (width > largest || height > largest) {
      throw EspalierException.config(
          "An image of %d x %d pixels is larger than the weights have positions for (%d x %d)."
              .formatted(width, height, largest, largest),
          "Maybe set width and height to 1024.");
    }
    FlowSampling sampling =
        FlowSampling.of(
            Objects.requireNonNull(config.sampler()),
            turbo ? 4 : large ? 28 : 40,
            steps -> shift,
            FlowSchedule::twiceShifted);
    return FlowOptions.of(sampling, guidance, config.negativePrompt(), width, height, patch);
  }

  private static Map<String, String> facts(Sd3Config config, String variant, FlowOptions options) {
    Map<String, String> facts = options.facts();
    facts.put("variant", variant);
    facts.put("textTokens", Integer.toString(length(config)));
    return facts;
  }

  private static int length(Sd3Config config) {
    Integer asked = config.textLength();
    return asked == null ? 256 : asked;
  }
}
