package org.espalier.models.diffusion;

import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.espalier.api.Capability;
import org.espalier.api.EspalierException;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.LoadContext;
import org.espalier.spi.ModelCard;
import org.espalier.spi.ModelProvider;
import org.espalier.torch.ClipTextConfig;
import org.espalier.torch.ClipTextEncoder;
import org.espalier.torch.DType;
import org.espalier.torch.Device;
import org.espalier.torch.T5Encoder;
import org.espalier.torch.TextTokenizer;
import org.espalier.torch.TorchEngine;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightsLocation;
import org.espalier.weights.Sha256;

/** Loads FLUX.1 models, published and bundled. */
public final class FluxProvider implements ModelProvider<FluxConfig> {
  /** How weights that are not trained begin. */
  private static final String RANDOM = "random:";

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
    if (!weights.startsWith(RANDOM)) {
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
    if (weights.startsWith(RANDOM)) {
      return random(weights, config, TorchEngine.device(context));
    }
    try (FluxSources sources = sources(weights, config, context)) {
      FluxFiles files = sources.files();
      FlowArchitecture flow = sources.flow();
      AutoencoderArchitecture image = sources.image();
      ClipTextConfig clipConfig = sources.clipConfig();
      FluxSettings settings = sources.settings();

      Device device = TorchEngine.device(context);
      Deque<AutoCloseable> opened = new ArrayDeque<>();
      try {
        TextTokenizer t5Tokenizer =
            keep(opened, TextTokenizer.open(files.t5Tokenizer(), settings.textTokens()));
        TextTokenizer clipTokenizer =
            keep(
                opened,
                ClipTokenizerFiles.open(files.clipTokenizer(), clipConfig.maxPositionEmbeddings()));
        T5Encoder t5 = keep(opened, new T5Encoder(sources.t5Config(), sources.t5Weights(), device));
        ClipTextEncoder clip =
            keep(opened, new ClipTextEncoder(clipConfig, sources.clipWeights(), device));
        FluxTextEncoders encoders = new FluxTextEncoders(t5Tokenizer, t5, clipTokenizer, clip);
        int patch = image.stride() * FlowArchitecture.PATCH;
        int rows = settings.height() / patch;
        int columns = settings.width() / patch;
        FluxTransformer transformer =
            keep(
                opened,
                new FluxTransformer(
                    flow, sources.flowWeights(), device, rows, columns, settings.textTokens()));
        FluxAutoencoder autoencoder =
            keep(opened, new FluxAutoencoder(image, sources.imageWeights(), device));
        FluxTransformer.Text negative =
            settings.trueCfg() == 1
                ? null
                : keep(opened, encoders.encode(settings.negativePrompt()).text());
        FlowSampler sampler = settings.sampler();
        ModelCard card =
            card(
                WeightSource.sha256(files.weightFiles()),
                settings,
                flow,
                sampler,
                device,
                List.of(
                    transformer.program(), autoencoder.program(), t5.program(), clip.program()));
        return new FluxModel(
            card,
            transformer,
            autoencoder,
            encoders,
            new FluxTransformer.Guidance(settings.guidance(), negative, settings.trueCfg()),
            sampler,
            rows,
            columns);
      } catch (RuntimeException e) {
        closeAll(opened, e);
        throw e;
      }
    }
  }

  /** A model of FLUX.1's sizes and no training: for measuring speed and memory. */
  private GenerativeModel random(String weights, FluxConfig config, Device device) {
    if (!weights.equals(RANDOM + "dev")) {
      throw EspalierException.config(
          "The weights (" + weights + ") are not of a published FLUX.1.",
          "Maybe use random:dev, or the weights' directory.");
    }
    FlowArchitecture flow = FlowArchitecture.PUBLISHED;
    AutoencoderArchitecture image =
        AutoencoderArchitecture.published(FluxSources.SCALE_FACTOR, FluxSources.SHIFT_FACTOR);
    FluxSettings settings = FluxSettings.published(config);
    int patch = image.stride() * FlowArchitecture.PATCH;
    int rows = settings.height() / patch;
    int columns = settings.width() / patch;
    Deque<AutoCloseable> opened = new ArrayDeque<>();
    try {
      FluxTransformer transformer =
          keep(
              opened,
              new FluxTransformer(
                  flow,
                  WeightSource.random(flow.spec()),
                  device,
                  rows,
                  columns,
                  settings.textTokens()));
      FluxAutoencoder autoencoder =
          keep(opened, new FluxAutoencoder(image, WeightSource.random(image.spec()), device));
      FlowSampler sampler = settings.sampler();
      return new FluxModel(
          card(
              weights,
              settings,
              flow,
              sampler,
              device,
              List.of(transformer.program(), autoencoder.program())),
          transformer,
          autoencoder,
          new FluxText.Untrained(
              device, settings.textTokens(), flow.textWidth(), flow.pooledWidth()),
          new FluxTransformer.Guidance(settings.guidance(), null, 1),
          sampler,
          rows,
          columns);
    } catch (RuntimeException e) {
      closeAll(opened, e);
      throw e;
    }
  }

  private static <T extends AutoCloseable> T keep(Deque<AutoCloseable> opened, T part) {
    opened.push(part);
    return part;
  }

  private static void closeAll(Deque<AutoCloseable> opened, RuntimeException failure) {
    for (AutoCloseable part : opened) {
      try {
        part.close();
      } catch (Exception e) {
        failure.addSuppressed(e);
      }
    }
  }

  private ModelCard card(
      String weightsSha256,
      FluxSettings settings,
      FlowArchitecture flow,
      FlowSampler sampler,
      Device device,
      List<TorchProgram> programs) {
    Set<Capability> capabilities = EnumSet.of(Capability.PREVIEW, Capability.REWIND);
    for (int step = 0; step < sampler.steps(); step++) {
      if (sampler.isStochastic(step)) {
        capabilities.add(Capability.STOCHASTIC_STEP);
      }
    }
    Map<String, String> facts = new TreeMap<>();
    facts.put("variant", settings.variant().id());
    facts.put("sampler", settings.kind());
    facts.put("steps", Integer.toString(settings.steps()));
    facts.put("shift", Double.toString(settings.shift()));
    if (!settings.kind().equals("ode")) {
      facts.put("noiseScale", Double.toString(settings.noiseScale()));
    }
    if (flow.guidanceEmbedded()) {
      facts.put("guidance", Double.toString(settings.guidance()));
    }
    facts.put("trueCfg", Double.toString(settings.trueCfg()));
    facts.put("negativePrompt", settings.negativePrompt());
    facts.put("parameters", Long.toString(flow.spec().parameters()));
    facts.put("textTokens", Integer.toString(settings.textTokens()));
    DType dtype = TorchEngine.dtype(device, flow.spec().parameters());
    facts.put("dtype", dtype == DType.BF16 ? "bfloat16" : "float32");
    facts.put("device", device.toString());
    return new ModelCard(
        id(),
        weightsSha256,
        hash(programs),
        settings.licence(),
        sampler.steps(),
        capabilities,
        sampler::isStochastic,
        settings.width(),
        settings.height(),
        facts);
  }

  private static String hash(List<TorchProgram> programs) {
    return Sha256.of(programs.stream().map(TorchProgram::sha256).collect(Collectors.joining()));
  }
}
