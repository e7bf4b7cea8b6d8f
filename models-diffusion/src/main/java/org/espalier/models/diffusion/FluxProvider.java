package org.espalier.models.diffusion;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
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
import org.jspecify.annotations.Nullable;

/** Loads FLUX.1 models, published and bundled. */
public final class FluxProvider extends FlowProvider<FluxConfig> {
  public FluxProvider() {
    super("flux", FluxConfig.class);
  }

  private static String weights(FluxConfig config) {
    return config.weights() == null ? "nano" : config.weights();
  }

  @Override
  FlowBlueprint blueprint(FluxConfig config, LoadContext context) {
    String weights = weights(config);
    if (weights.startsWith(FlowBlueprint.RANDOM)) {
      FluxArchitecture flow = published(weights);
      FluxSettings settings = settings(config);
      int length = settings.textTokens();
      return blueprint(
          new OpenWeights(),
          weights,
          settings,
          flow,
          null,
          publishedImage(),
          null,
          FlowBlueprint.untrained(
              length,
              new long[] {1, length, flow.textWidth()},
              new long[] {1, flow.pooledWidth()}));
    }
    Path root = WeightsLocation.resolve(id(), weights, context);
    FluxFiles files = FluxFiles.locate(root, config, context.baseDirectory());
    T5Config t5 = T5Config.read(files.t5().resolve("config.json"));
    ClipTextConfig clip = ClipTextConfig.read(files.clip().resolve("config.json"));
    OpenWeights open = new OpenWeights();
    try {
      WeightSource flowWeights = open.open(files.transformer(), DiffusersWeights::transformer);
      WeightSource imageWeights = open.open(files.autoencoder(), DiffusersWeights::autoencoder);
      WeightSource t5Weights = open.open(files.t5(), UnaryOperator.identity());
      WeightSource clipWeights = open.open(files.clip(), UnaryOperator.identity());
      FluxArchitecture flow = flow(files, flowWeights);
      KlArchitecture image = autoencoder(files, imageWeights);
      requireWidth("T5 sequence", flow.textWidth(), t5.dModel(), files.t5());
      requireWidth("CLIP vector", flow.pooledWidth(), clip.hiddenSize(), files.clip());
      FluxSettings settings =
          FluxSettings.of(
              config,
              files.config(),
              flow,
              files.transformer().toString(),
              image,
              files.autoencoder().toString());
      flow.spec().check(flowWeights);
      image.spec().check(imageWeights);
      t5.weights().check(t5Weights);
      clip.weights().check(clipWeights);
      TextTokenizer.open(files.t5Tokenizer(), settings.textTokens()).close();
      ClipTokenizerFiles.open(files.clipTokenizer(), clip.maxPositionEmbeddings()).close();
      return blueprint(
          open,
          weights,
          settings,
          flow,
          flowWeights,
          image,
          imageWeights,
          (parts, device) ->
              new FluxTextEncoders(
                  parts.keep(TextTokenizer.open(files.t5Tokenizer(), settings.textTokens())),
                  parts.keep(new T5Encoder(t5, t5Weights, device)),
                  parts.keep(
                      ClipTokenizerFiles.open(files.clipTokenizer(), clip.maxPositionEmbeddings())),
                  parts.keep(new ClipTextEncoder(clip, clipWeights, device))));
    } catch (RuntimeException e) {
      open.close();
      throw e;
    }
  }

  private static FlowBlueprint blueprint(
      OpenWeights open,
      String weights,
      FluxSettings settings,
      FluxArchitecture flow,
      @Nullable WeightSource flowWeights,
      KlArchitecture image,
      @Nullable WeightSource imageWeights,
      FlowBlueprint.Loader<FlowText> text) {
    return new FlowBlueprint(
        open,
        weights,
        settings.licence(),
        flow,
        flow.program().attribute("guidance", settings.guidance()),
        flowWeights,
        FlowBlueprint.kl(image, true, imageWeights),
        KlArchitecture.PATCH * image.stride(),
        text,
        settings.options(),
        settings.facts(flow));
  }

  private static FluxArchitecture published(String weights) {
    return switch (weights.substring(FlowBlueprint.RANDOM.length())) {
      case "dev" -> FluxArchitecture.DEV;
      case "schnell" -> FluxArchitecture.DEV.withoutGuidance();
      default ->
          throw EspalierException.config(
              "The weights (" + weights + ") are not of a published FLUX.1.",
              "Maybe use random:dev, random:schnell, or the weights' directory.");
    };
  }

  private static KlArchitecture publishedImage() {
    return KlArchitecture.published(16, KlArchitecture.Scale.FLUX);
  }

  /**
   * How random weights of a published size are sampled.
   *
   * @param config of random weights
   */
  static FluxSettings settings(FluxConfig config) {
    String weights = weights(config);
    ObjectNode own = new ObjectMapper().createObjectNode();
    return FluxSettings.of(config, own, published(weights), weights, publishedImage(), weights);
  }

  private static FluxArchitecture flow(FluxFiles files, WeightSource weights) {
    JsonNode own = files.config().path("params");
    JsonNode axes =
        own.has("axes_dim")
            ? own.get("axes_dim")
            : files.transformerConfig().path("axes_dims_rope");
    return FluxArchitecture.of(
        weights, PipelineFiles.integers(axes), own.path("theta").asDouble(10000), 1e-6);
  }

  private static KlArchitecture autoencoder(FluxFiles files, WeightSource weights) {
    JsonNode beside = files.autoencoderConfig();
    JsonNode own =
        beside.has("ae")
            ? beside.get("ae")
            : beside.isMissingNode() ? files.config().path("ae") : beside;
    return KlArchitecture.of(weights, own, KlArchitecture.Scale.FLUX);
  }

  private static void requireWidth(String what, int wanted, int actual, Path encoder) {
    if (wanted != actual) {
      throw EspalierException.config(
          "The transformer reads a %s of width %d, but the encoder %s gives %d."
              .formatted(what, wanted, encoder, actual),
          "Maybe textEncoder and clipEncoder are of another model, or exchanged.");
    }
  }
}
