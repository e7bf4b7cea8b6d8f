package org.espalier.models.diffusion;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.List;
import org.espalier.api.EspalierException;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.LoadContext;
import org.espalier.spi.ModelProvider;
import org.espalier.torch.ClipTextConfig;
import org.espalier.torch.ClipTextEncoder;
import org.espalier.torch.Device;
import org.espalier.torch.T5Encoder;
import org.espalier.torch.TextTokenizer;
import org.espalier.torch.TorchEngine;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightsLocation;

/** Loads FLUX.1 models, published and bundled. */
public final class FluxProvider implements ModelProvider<FluxConfig> {
  @Override
  public String id() {
    return "flux";
  }

  @Override
  public Class<FluxConfig> configType() {
    return FluxConfig.class;
  }

  @Override
  public void check(FluxConfig config, LoadContext context) {
    String weights = weights(config);
    if (weights.startsWith(FlowParts.RANDOM)) {
      settings(config);
    } else {
      sources(weights, config, context).close();
    }
  }

  private FluxSources sources(String weights, FluxConfig config, LoadContext context) {
    Path root = WeightsLocation.resolve(id(), weights, context);
    return FluxSources.open(root, config, context.baseDirectory());
  }

  private static String weights(FluxConfig config) {
    return config.weights() == null ? "nano" : config.weights();
  }

  @Override
  public GenerativeModel load(FluxConfig config, LoadContext context) {
    String weights = weights(config);
    Device device = TorchEngine.device(context);
    if (weights.startsWith(FlowParts.RANDOM)) {
      return random(weights, config, device);
    }
    try (FluxSources sources = sources(weights, config, context);
        FlowParts parts = new FlowParts()) {
      FluxFiles files = sources.files();
      ClipTextConfig clipConfig = sources.clipConfig();
      int length = sources.settings().textTokens();
      TextTokenizer t5Tokenizer = parts.keep(TextTokenizer.open(files.t5Tokenizer(), length));
      TextTokenizer clipTokenizer =
          parts.keep(
              ClipTokenizerFiles.open(files.clipTokenizer(), clipConfig.maxPositionEmbeddings()));
      T5Encoder t5 = parts.keep(new T5Encoder(sources.t5Config(), sources.t5Weights(), device));
      ClipTextEncoder clip =
          parts.keep(new ClipTextEncoder(clipConfig, sources.clipWeights(), device));
      return assemble(
          parts,
          WeightSource.sha256(files.weightFiles()),
          sources.settings(),
          sources.flow(),
          sources.flowWeights(),
          sources.image(),
          sources.imageWeights(),
          new FluxTextEncoders(t5Tokenizer, t5, clipTokenizer, clip),
          device);
    }
  }

  private static FluxArchitecture published(String weights) {
    return switch (weights.substring(FlowParts.RANDOM.length())) {
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
    ObjectNode own = new ObjectMapper().createObjectNode().put("licence", FlowParts.UNLICENSED);
    return FluxSettings.of(config, own, published(weights), weights, publishedImage(), weights);
  }

  /** A model of FLUX.1's sizes and no training: for measuring speed and memory. */
  private GenerativeModel random(String weights, FluxConfig config, Device device) {
    FluxArchitecture flow = published(weights);
    KlArchitecture image = publishedImage();
    FluxSettings settings = settings(config);
    int length = settings.textTokens();
    FlowText text =
        new FlowText.Untrained(
            device,
            length,
            List.of(new long[] {1, length, flow.textWidth()}, new long[] {1, flow.pooledWidth()}));
    try (FlowParts parts = new FlowParts()) {
      return assemble(
          parts,
          weights,
          settings,
          flow,
          WeightSource.random(flow.spec()),
          image,
          WeightSource.random(image.spec()),
          text,
          device);
    }
  }

  private GenerativeModel assemble(
      FlowParts parts,
      String weights,
      FluxSettings settings,
      FluxArchitecture flow,
      WeightSource flowWeights,
      KlArchitecture image,
      WeightSource imageWeights,
      FlowText text,
      Device device) {
    int patch = image.stride() * KlArchitecture.PATCH;
    FlowNetwork network =
        parts.keep(
            new FlowNetwork(
                flow,
                flow.program().attribute("guidance", settings.guidance()),
                flowWeights,
                device,
                settings.height() / patch,
                settings.width() / patch));
    KlAutoencoder autoencoder = parts.keep(new KlAutoencoder(image, true, imageWeights, device));
    return parts.complete(
        new FlowParts.Identity(id(), weights, settings.licence(), settings.facts(flow)),
        settings.options(),
        network,
        autoencoder,
        text,
        device);
  }
}
