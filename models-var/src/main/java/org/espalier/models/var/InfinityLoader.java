package org.espalier.models.var;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.espalier.api.EspalierException;
import org.espalier.spi.LoadContext;
import org.espalier.torch.DType;
import org.espalier.torch.Device;
import org.espalier.torch.T5Config;
import org.espalier.torch.T5Encoder;
import org.espalier.torch.TextTokenizer;
import org.espalier.torch.TorchEngine;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightsLocation;
import org.espalier.weights.HubCache;
import org.espalier.weights.HubId;
import org.espalier.weights.MissingParts;
import org.espalier.weights.ModelJson;
import org.espalier.weights.Sha256;
import org.jspecify.annotations.Nullable;

/** Finds the files of an Infinity model, settles its configuration and puts its parts together. */
final class InfinityLoader {
  private static final System.Logger LOG = System.getLogger(InfinityLoader.class.getName());

  private static final String[] TRANSFORMERS = {
    "transformer.safetensors",
    "transformer.safetensors.index.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin.index.json"
  };

  /** What the published models were trained with. */
  static final String PUBLISHED_TEXT_ENCODER = "hf:google/flan-t5-xl";

  private InfinityLoader() {}

  /** Tokens of the noise that stands for a text where weights are random. */
  private static final int RANDOM_TEXT_TOKENS = 40;

  /** Checks what can be known without reading a tensor. */
  static void check(InfinityConfig config, LoadContext context) {
    if (!config.weights().startsWith(InfinityConfig.RANDOM)) {
      try (Opened opened = Opened.of(config, context)) {
        opened.tokenizer().close();
      }
    }
  }

  static InfinityModel load(InfinityConfig config, LoadContext context) {
    if (config.weights().startsWith(InfinityConfig.RANDOM)) {
      return random(config, context);
    }
    try (Opened files = Opened.of(config, context)) {
      Device device = TorchEngine.device(context);
      Deque<AutoCloseable> opened = new ArrayDeque<>();
      try {
        TextTokenizer textTokenizer = keep(opened, files.tokenizer());
        T5Encoder textEncoder =
            keep(opened, new T5Encoder(files.textConfig, files.textWeights, device));
        return assemble(
            opened,
            config,
            files.defaults,
            device,
            files.schedule,
            files.guidance,
            new TextFeatures.T5(textTokenizer, textEncoder),
            files.transformer,
            files.vae,
            () ->
                WeightSource.sha256(
                    Stream.of(files.transformer, files.vae, files.textWeights)
                        .flatMap(source -> source.files().stream())
                        .toList()));
      } catch (RuntimeException e) {
        closeAll(opened, e);
        throw e;
      }
    }
  }

  /**
   * The files of one model, open and checked: sizes, keys and shapes agree with one another and
   * with the settings. No tensor has been read.
   */
  private record Opened(
      JsonNode defaults,
      Path text,
      T5Config textConfig,
      WeightSource transformer,
      WeightSource vae,
      WeightSource textWeights,
      InfinityArchitecture architecture,
      ScaleSchedule schedule,
      Guidance guidance)
      implements AutoCloseable {

    static Opened of(InfinityConfig config, LoadContext context) {
      Path location = WeightsLocation.resolve("infinity", config.weights(), context);
      Path directory = WeightsLocation.directory(location);
      JsonNode defaults = ModelJson.optional(directory.resolve("config.json"));
      MissingParts parts = new MissingParts();
      MissingParts.Part<Path> found =
          parts.look(
              () -> Files.isDirectory(location) ? InfinityLoader.transformer(location) : location);
      MissingParts.Part<Path> encoder =
          parts.look(() -> InfinityLoader.text(config, directory, context));
      if (config.vae() == null) {
        parts.look(() -> TokenizerFile.candidates(location));
      }
      parts.requireNone();
      Path transformer = found.get();
      Path text = encoder.get();
      ScaleSchedule schedule = InfinityLoader.schedule(config, defaults);
      Deque<AutoCloseable> opened = new ArrayDeque<>();
      try {
        WeightSource transformerWeights = keep(opened, WeightSource.open(transformer));
        WeightSource normal = InfinityArchitecture.normalize(transformerWeights);
        InfinityArchitecture architecture = InfinityArchitecture.of(normal);
        Path vae =
            config.vae() == null
                ? TokenizerFile.beside(location, architecture.bits())
                : TokenizerFile.named(
                    WeightsLocation.path(config.vae(), context.baseDirectory()), location);
        WeightSource vaeWeights = keep(opened, WeightSource.open(vae));
        WeightSource normalVae = BsqArchitecture.normalize(vaeWeights);
        BsqArchitecture code = BsqArchitecture.of(normalVae, false);
        architecture.requireFit(transformer, schedule, code.bits());
        Guidance guidance =
            InfinityLoader.guidance(config, defaults, schedule, architecture.depth());
        T5Config textConfig = T5Config.read(text.resolve("config.json"));
        if (textConfig.dModel() != architecture.textChannels()) {
          throw EspalierException.config(
              "The text encoder %s has the width %d; the transformer %s reads %d."
                  .formatted(text, textConfig.dModel(), transformer, architecture.textChannels()),
              "Maybe use the text encoder the model was trained with; Infinity's is flan-t5-xl.");
        }
        WeightSource textWeights = keep(opened, WeightSource.open(text));
        architecture.weights(normal).check(normal);
        code.weights().check(normalVae);
        textConfig.weights().check(textWeights);
        return new Opened(
            defaults,
            text,
            textConfig,
            transformerWeights,
            vaeWeights,
            textWeights,
            architecture,
            schedule,
            guidance);
      } catch (RuntimeException e) {
        closeAll(opened, e);
        throw e;
      }
    }

    TextTokenizer tokenizer() {
      return TextTokenizer.open(text.resolve("tokenizer.json"), architecture.textLength());
    }

    @Override
    public void close() {
      transformer.close();
      vae.close();
      textWeights.close();
    }
  }

  /** A model of published sizes and no training: for measuring speed and memory. */
  private static InfinityModel random(InfinityConfig config, LoadContext context) {
    String size = config.weights().substring(InfinityConfig.RANDOM.length());
    InfinityArchitecture architecture = InfinityArchitecture.published(size);
    BsqArchitecture code = BsqArchitecture.published(size);
    JsonNode defaults = MissingNode.getInstance();
    ScaleSchedule schedule = schedule(config, defaults);
    architecture.requireFit(Path.of(config.weights()), schedule, code.bits());
    Guidance guidance = guidance(config, defaults, schedule, architecture.depth());
    Device device = TorchEngine.device(context);
    Deque<AutoCloseable> opened = new ArrayDeque<>();
    try {
      return assemble(
          opened,
          config,
          defaults,
          device,
          schedule,
          guidance,
          new TextFeatures.Untrained(device, RANDOM_TEXT_TOKENS, architecture.textChannels()),
          WeightSource.random(architecture.weights()),
          WeightSource.random(code.weights()),
          config::weights);
    } catch (RuntimeException e) {
      closeAll(opened, e);
      throw e;
    }
  }

  /** Loads the networks and puts the model together; what was opened is in {@code opened}. */
  private static InfinityModel assemble(
      Deque<AutoCloseable> opened,
      InfinityConfig config,
      JsonNode defaults,
      Device device,
      ScaleSchedule schedule,
      Guidance guidance,
      TextFeatures text,
      WeightSource transformerWeights,
      WeightSource vaeWeights,
      Supplier<String> sha256) {
    BsqTokenizer tokenizer = keep(opened, new BsqTokenizer(vaeWeights, device, false));
    boolean levelEveryChunk =
        config.levelEveryChunk() != null
            ? config.levelEveryChunk()
            : !defaults.path("add_lvl_embeding_only_first_block").asBoolean(true);
    InfinityNetwork network =
        keep(
            opened,
            new InfinityNetwork(
                transformerWeights, schedule, tokenizer.bits(), levelEveryChunk, device));
    InfinityArchitecture architecture = network.architecture();
    int topK = config.topK() != null ? config.topK() : defaults.path("top_k").asInt(0);
    // A config.json says how its model was measured; without one the published script's default.
    double topP =
        config.topP() != null
            ? config.topP()
            : defaults.path("top_p").asDouble(defaults.isMissingNode() ? 0.97 : 0);
    Map<String, String> facts = new LinkedHashMap<>();
    facts.put("device", device.toString());
    facts.put("dtype", network.dtype() == DType.BF16 ? "bfloat16" : "float32");
    facts.put("libtorch", TorchEngine.version());
    String kernels = network.kernels();
    if (kernels != null) {
      facts.put("kernels", "fused, " + kernels.substring(0, 12));
    }
    facts.put("depth", String.valueOf(architecture.depth()));
    facts.put("width", String.valueOf(architecture.width()));
    facts.put("bits", String.valueOf(architecture.bits()));
    facts.put(
        "parameters",
        String.valueOf(
            architecture.weights(InfinityArchitecture.normalize(transformerWeights)).parameters()));
    facts.put("schedule", schedule.scales().toString());
    int trained = defaults.path("scale_schedule").size();
    if (trained > 0 && schedule.size() > trained) {
      String beyond =
          "%d scales, %d of them beyond the %d that config.json names: images of untrained sizes"
              .formatted(schedule.size(), schedule.size() - trained, trained);
      facts.put("untrained", beyond);
      LOG.log(System.Logger.Level.WARNING, "The schedule of infinity has " + beyond + ".");
    }
    facts.put("cfg", guidance.cfg().toString());
    facts.put(
        "guidedAt",
        (guidance.onLogits() ? "logits" : "")
            + (guidance.layers().isEmpty() ? "" : guidance.layers()));
    facts.put("tau", guidance.tau().toString());
    facts.put("topK", String.valueOf(topK));
    facts.put("topP", String.valueOf(topP));
    return new InfinityModel(
        text,
        network,
        tokenizer,
        guidance,
        new BitSampler(architecture.bits(), topK, topP),
        sha256.get(),
        Sha256.of(text.sha256() + network.program().sha256() + tokenizer.program().sha256()),
        defaults.path("licence").asText(defaults.path("license").asText("unknown")),
        facts);
  }

  static void closeAll(Deque<AutoCloseable> opened, RuntimeException e) {
    while (!opened.isEmpty()) {
      try {
        opened.pop().close();
      } catch (Exception suppressed) {
        e.addSuppressed(suppressed);
      }
    }
  }

  static <T extends AutoCloseable> T keep(Deque<AutoCloseable> opened, T part) {
    opened.push(part);
    return part;
  }

  /**
   * The text encoder: as configured, else beside the transformer, else the one of all published
   * models in the cache of the hub.
   */
  private static Path text(InfinityConfig config, Path directory, LoadContext context) {
    Path text =
        config.textEncoder() == null
            ? directory.resolve("text_encoder")
            : WeightsLocation.path(config.textEncoder(), context.baseDirectory());
    if (Files.isDirectory(text)) {
      return text;
    }
    HubId published = HubId.of(PUBLISHED_TEXT_ENCODER);
    if (config.textEncoder() == null && HubCache.ofUser().has(published)) {
      return HubCache.ofUser().resolve(published);
    }
    throw EspalierException.config(
        "The text encoder (" + text + ") of infinity does not exist.",
        "Maybe set textEncoder to the directory of a T5 encoder; for the published models run: "
            + HubCache.getLine(published));
  }

  private static Path transformer(Path directory) {
    for (String name : TRANSFORMERS) {
      if (Files.exists(directory.resolve(name), LinkOption.NOFOLLOW_LINKS)) {
        return WeightSource.locate(directory, TRANSFORMERS);
      }
    }
    return first(directory, TRANSFORMERS[0], "infinity_[0-9]*{b,M}*.{pth,safetensors}");
  }

  /** The file of a name, or else the only one of a pattern. */
  static Path first(Path directory, String name, String pattern) {
    if (Files.isRegularFile(directory.resolve(name))) {
      return directory.resolve(name);
    }
    List<Path> found = new ArrayList<>();
    try (DirectoryStream<Path> matches = Files.newDirectoryStream(directory, pattern)) {
      matches.forEach(found::add);
    } catch (IOException e) {
      throw new EspalierException(
          EspalierException.Code.CONFIG,
          "The directory " + directory + " cannot be read: " + e.getMessage() + ".",
          "Maybe check its permissions.",
          e);
    }
    if (found.size() == 1) {
      return found.get(0);
    }
    Collections.sort(found);
    throw EspalierException.config(
        found.isEmpty()
            ? "The directory " + directory + " has neither " + name + " nor " + pattern + "."
            : "The directory " + directory + " has several weights: " + found + ".",
        "Maybe name the file: weights for the transformer, vae for the tokenizer.");
  }

  private static ScaleSchedule schedule(InfinityConfig config, JsonNode defaults) {
    JsonNode own = defaults.path("scale_schedule");
    if (config.pn() == null && config.aspectRatio() == null && own.isArray() && !own.isEmpty()) {
      List<ScaleSchedule.Grid> grids = new ArrayList<>();
      for (JsonNode scale : own) {
        int n = scale.size();
        grids.add(
            scale.isArray()
                ? new ScaleSchedule.Grid(scale.get(n - 2).asInt(), scale.get(n - 1).asInt())
                : new ScaleSchedule.Grid(scale.asInt(), scale.asInt()));
      }
      return ScaleSchedule.of(grids);
    }
    String size = config.pn() != null ? config.pn() : defaults.path("pn").asText("1M");
    return ScaleSchedule.published(size, config.aspectRatio() == null ? 1 : config.aspectRatio());
  }

  private static Guidance guidance(
      InfinityConfig config, JsonNode defaults, ScaleSchedule schedule, int depth) {
    List<Integer> layers = config.cfgInsertionLayer();
    if (layers == null) {
      layers = new ArrayList<>();
      for (JsonNode layer : defaults.path("cfg_insertion_layer")) {
        layers.add(layer.asInt());
      }
    }
    List<Long> absolute = new ArrayList<>();
    for (int layer : layers) {
      if (layer < 0) {
        if (depth + layer <= 0) {
          throw EspalierException.config(
              "The layer of guidance ("
                  + layer
                  + ") lies before the first of "
                  + depth
                  + " blocks.",
              "Maybe set cfgInsertionLayer: 0.");
        }
        absolute.add((long) depth + layer);
      }
    }
    return new Guidance(
        perScale("cfg", config.cfg(), defaults.path("cfg"), 4, schedule.size()),
        perScale("tau", config.tau(), defaults.path("tau"), 0.5, schedule.size()),
        absolute.isEmpty() || layers.contains(0),
        absolute);
  }

  /** One number a scale, from a single one or a list. */
  private static List<Double> perScale(
      String name, @Nullable List<Double> given, JsonNode defaults, double otherwise, int scales) {
    List<Double> values = given;
    if (values == null) {
      values = new ArrayList<>();
      if (defaults.isNumber()) {
        values.add(defaults.asDouble());
      }
      for (JsonNode value : defaults) {
        values.add(value.asDouble());
      }
    }
    if (values.isEmpty()) {
      values = List.of(otherwise);
    }
    if (values.size() == 1) {
      return Collections.nCopies(scales, values.get(0));
    }
    if (values.size() < scales) {
      throw EspalierException.config(
          "The list " + name + " has " + values.size() + " numbers for " + scales + " scales.",
          "Maybe give one number for all scales.");
    }
    return List.copyOf(values.subList(0, scales));
  }
}
