package org.espalier.models.var;

import static org.espalier.models.var.InfinityLoader.keep;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.nio.file.Files;
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
import org.espalier.torch.TorchEngine;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightsLocation;
import org.espalier.weights.MissingParts;
import org.espalier.weights.ModelJson;
import org.espalier.weights.Sha256;

/** Finds the files of a VAR model, settles its configuration and puts its parts together. */
final class VarLoader {
  /** Share of a convolution's output in what a scale adds, as published. */
  private static final double SHARE = 0.5;

  private VarLoader() {}

  /** Checks what can be known without reading a tensor. */
  static void check(VarConfig config, LoadContext context) {
    if (config.weights().startsWith(VarConfig.RANDOM)) {
      VarArchitecture.published(config.weights().substring(VarConfig.RANDOM.length()));
    } else {
      Opened.of(config, context).close();
    }
  }

  static VarModel load(VarConfig config, LoadContext context) {
    if (config.weights().startsWith(VarConfig.RANDOM)) {
      VarArchitecture architecture =
          VarArchitecture.published(config.weights().substring(VarConfig.RANDOM.length()));
      WeightSource vae = WeightSource.random(VqArchitecture.publishedVar().weights());
      try (Opened opened =
          new Opened(
              MissingNode.getInstance(),
              WeightSource.random(architecture.weights()),
              vae,
              vae,
              architecture,
              classes(config, context, architecture).ofAnyPrompt())) {
        return assemble(config, opened, context, config::weights);
      }
    }
    try (Opened opened = Opened.of(config, context)) {
      return assemble(
          config,
          opened,
          context,
          () ->
              WeightSource.sha256(
                  Stream.of(opened.transformer, opened.vae)
                      .flatMap(source -> source.files().stream())
                      .toList()));
    }
  }

  private static ClassPrompts classes(
      VarConfig config, LoadContext context, VarArchitecture architecture) {
    Path names =
        config.classes() == null
            ? null
            : WeightsLocation.path(config.classes(), context.baseDirectory());
    return ClassPrompts.of(names, architecture.classes());
  }

  /**
   * The files of one model, open and checked. No tensor has been read but the levels of tokens.
   *
   * @param defaults from a {@code config.json} beside the transformer
   * @param transformer normalized weights
   * @param vae as the file has it
   * @param decoder the same with the coarsest level first
   */
  private record Opened(
      JsonNode defaults,
      WeightSource transformer,
      WeightSource vae,
      WeightSource decoder,
      VarArchitecture architecture,
      ClassPrompts classes)
      implements AutoCloseable {

    static Opened of(VarConfig config, LoadContext context) {
      Path location = WeightsLocation.resolve("var", config.weights(), context);
      Path directory = WeightsLocation.directory(location);
      JsonNode defaults = ModelJson.optional(directory.resolve("config.json"));
      MissingParts parts = new MissingParts();
      MissingParts.Part<Path> decoderFile =
          parts.look(
              () ->
                  config.vae() == null
                      ? InfinityLoader.first(
                          directory, "vae.safetensors", "vae_*.{pth,safetensors}")
                      : WeightsLocation.path(config.vae(), context.baseDirectory()));
      MissingParts.Part<Path> transformerFile =
          parts.look(
              () ->
                  Files.isDirectory(location)
                      ? InfinityLoader.first(
                          location, "transformer.safetensors", "var_d[0-9]*.{pth,safetensors}")
                      : location);
      parts.requireNone();
      Path vae = decoderFile.get();
      Path file = transformerFile.get();
      Deque<AutoCloseable> opened = new ArrayDeque<>();
      try {
        WeightSource transformer = VarArchitecture.normalize(keep(opened, WeightSource.open(file)));
        List<Integer> sides = new ArrayList<>();
        defaults.path("patch_nums").forEach(side -> sides.add(side.asInt()));
        VarArchitecture architecture = VarArchitecture.of(transformer, sides);
        architecture.weights().check(transformer);
        WeightSource vaeWeights = keep(opened, WeightSource.open(vae));
        WeightSource decoder = VqArchitecture.coarsestFirst(vaeWeights);
        VqArchitecture code = VqArchitecture.of(decoder);
        code.weights().check(decoder);
        if (code.channels() != architecture.codeChannels()
            || code.vocabulary() != architecture.vocabulary()
            || code.convolutions().isEmpty()) {
          throw EspalierException.config(
              "The transformer %s draws from %d vectors of %d channels; the decoder %s has %d of %d."
                  .formatted(
                      file,
                      architecture.vocabulary(),
                      architecture.codeChannels(),
                      vae,
                      code.vocabulary(),
                      code.channels()),
              "Maybe use the decoder the model was trained with; VAR's is vae_ch160v4096z32.pth.");
        }
        return new Opened(
            defaults,
            transformer,
            vaeWeights,
            decoder,
            architecture,
            VarLoader.classes(config, context, architecture));
      } catch (RuntimeException e) {
        InfinityLoader.closeAll(opened, e);
        throw e;
      }
    }

    @Override
    public void close() {
      transformer.close();
      vae.close();
    }
  }

  /**
   * Guidance as published: at each scale conditional plus t times (conditional - unconditional),
   * with t growing from 0 to its strength.
   *
   * @param strength at the last scale
   * @param tau temperature
   * @param scales how many
   */
  static Guidance guidance(double strength, double tau, int scales) {
    List<Double> cfg = new ArrayList<>();
    for (int scale = 0; scale < scales; scale++) {
      cfg.add(1 + strength * (scales == 1 ? 0 : (double) scale / (scales - 1)));
    }
    return new Guidance(cfg, Collections.nCopies(scales, tau), true, List.of());
  }

  private static VarModel assemble(
      VarConfig config, Opened files, LoadContext context, Supplier<String> sha256) {
    Device device = TorchEngine.device(context);
    Deque<AutoCloseable> opened = new ArrayDeque<>();
    try {
      double share = files.defaults.path("quant_resi").asDouble(SHARE);
      VqDecoder decoder = keep(opened, new VqDecoder(files.decoder, false, share, device, false));
      VarArchitecture architecture = files.architecture;
      double eps = files.defaults.path("norm_eps").asDouble(1e-6);
      VarNetwork network =
          keep(
              opened, new VarNetwork(files.transformer, architecture, decoder, eps, device, false));
      double strength =
          config.cfg() != null ? config.cfg() : files.defaults.path("cfg").asDouble(1.5);
      double tau = config.tau() != null ? config.tau() : files.defaults.path("tau").asDouble(1);
      Guidance guidance = guidance(strength, tau, network.steps());
      TokenSampler sampler =
          new TokenSampler(
              config.topK() != null ? config.topK() : files.defaults.path("top_k").asInt(900),
              config.topP() != null ? config.topP() : files.defaults.path("top_p").asDouble(0.96));
      Map<String, String> facts = new LinkedHashMap<>();
      facts.put("device", device.toString());
      facts.put("dtype", network.dtype() == DType.BF16 ? "bfloat16" : "float32");
      facts.put("libtorch", TorchEngine.version());
      facts.put("depth", String.valueOf(architecture.depth()));
      facts.put("width", String.valueOf(architecture.width()));
      facts.put("vocabulary", String.valueOf(architecture.vocabulary()));
      facts.put("classes", String.valueOf(architecture.classes()));
      facts.put("parameters", String.valueOf(architecture.weights().parameters()));
      facts.put("sides", architecture.sides().toString());
      facts.put("cfg", String.valueOf(strength));
      facts.put("tau", String.valueOf(tau));
      facts.put("topK", String.valueOf(sampler.topK()));
      facts.put("topP", String.valueOf(sampler.topP()));
      String licence = files.defaults.path("license").asText("unknown");
      return new VarModel(
          network,
          decoder,
          guidance,
          sampler,
          files.classes,
          sha256.get(),
          Sha256.of(network.program().sha256() + decoder.program().sha256()),
          files.defaults.path("licence").asText(licence),
          facts);
    } catch (RuntimeException e) {
      InfinityLoader.closeAll(opened, e);
      throw e;
    }
  }
}
