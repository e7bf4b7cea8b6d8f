package org.espalier.models.diffusion;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.espalier.api.EspalierException;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.LoadContext;
import org.espalier.spi.ModelProvider;
import org.espalier.torch.Device;
import org.espalier.torch.Qwen3Config;
import org.espalier.torch.Qwen3Encoder;
import org.espalier.torch.TextTokenizer;
import org.espalier.torch.TorchEngine;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightsLocation;
import org.jspecify.annotations.Nullable;

/** Loads FLUX.2-klein models. */
public final class Flux2Provider implements ModelProvider<Flux2Config> {
  /** Layers of Qwen3 whose states make a token, a quarter, a half and three quarters deep. */
  private static List<Integer> taken(Qwen3Config encoder) {
    int quarter = encoder.numHiddenLayers() / 4;
    return List.of(quarter, 2 * quarter, 3 * quarter);
  }

  @Override
  public String id() {
    return "flux2";
  }

  @Override
  public Class<Flux2Config> configType() {
    return Flux2Config.class;
  }

  @Override
  public void check(Flux2Config config, LoadContext context) {
    sources(config, context).close();
  }

  /**
   * Everything that is known before a tensor is read. Weights that are null are noise, and have no
   * text encoder.
   */
  private record Sources(
      OpenWeights all,
      FluxArchitecture flow,
      @Nullable WeightSource flowWeights,
      KlArchitecture image,
      @Nullable WeightSource imageWeights,
      Qwen3Config encoder,
      @Nullable WeightSource encoderWeights,
      @Nullable Path tokenizer,
      String variant,
      FlowOptions options)
      implements AutoCloseable {
    @Override
    public void close() {
      all.close();
    }
  }

  private Sources sources(Flux2Config config, LoadContext context) {
    String weights = Objects.requireNonNull(config.weights());
    if (weights.startsWith(FlowParts.RANDOM)) {
      String name = weights.substring(FlowParts.RANDOM.length());
      boolean large = name.endsWith("-9b");
      if (!name.matches("klein(-base)?-(4b|9b)")) {
        throw EspalierException.config(
            "The weights (" + weights + ") are not of a published FLUX.2.",
            "Maybe use random:klein-4b, random:klein-base-4b, random:klein-9b, or the weights'"
                + " directory.");
      }
      FluxArchitecture flow = large ? FluxArchitecture.KLEIN_9B : FluxArchitecture.KLEIN_4B;
      KlArchitecture image = KlArchitecture.published(32, KlArchitecture.Scale.FLUX2);
      String variant = name.contains("base") ? Flux2Config.BASE : Flux2Config.DISTILLED;
      return new Sources(
          new OpenWeights(),
          flow,
          null,
          image,
          null,
          large ? Qwen3Config.QWEN3_8B : Qwen3Config.QWEN3_4B,
          null,
          null,
          variant,
          options(config, variant, image, weights));
    }
    PipelineFiles files =
        PipelineFiles.locate(
            WeightsLocation.resolve(id(), weights, context),
            context.baseDirectory(),
            "FLUX.2-klein",
            List.of("Flux2KleinPipeline"),
            List.of(
                "flux-2-klein-4b.safetensors",
                "flux-2-klein-base-4b.safetensors",
                "flux-2-klein-9b.safetensors",
                "flux-2-klein-base-9b.safetensors"));
    Path autoencoder =
        files.part("autoencoder", "autoencoder", config.autoencoder(), "vae", "ae.safetensors");
    Path textEncoder =
        files.part("text encoder (Qwen3)", "textEncoder", config.textEncoder(), "text_encoder");
    Path tokenizer = files.tokenizer("tokenizer", config.tokenizer(), "tokenizer", textEncoder);
    OpenWeights all = new OpenWeights();
    try {
      WeightSource flowWeights = all.open(files.transformer(), DiffusersWeights::transformer);
      WeightSource imageWeights = all.open(autoencoder, DiffusersWeights::autoencoder);
      Qwen3Config encoder = Qwen3Config.read(textEncoder.resolve("config.json"));
      WeightSource encoderWeights = all.open(textEncoder, Qwen3Encoder::layout);
      FluxArchitecture flow = flow(files, flowWeights);
      JsonNode vae = PipelineFiles.config(autoencoder);
      KlArchitecture image =
          KlArchitecture.of(
              imageWeights, vae, KlArchitecture.Scale.of(vae, KlArchitecture.Scale.FLUX2));
      String variant = variant(config, files);
      FlowOptions options = options(config, variant, image, weights);
      flow.requireLatent(image, files.transformer(), autoencoder);
      int width = encoder.hiddenSize() * 3;
      if (flow.textWidth() != width) {
        throw EspalierException.config(
            "The transformer reads texts of width %d, but the encoder %s gives %d (3 x %d)."
                .formatted(flow.textWidth(), textEncoder, width, encoder.hiddenSize()),
            "Maybe textEncoder is of another model; klein-4B wants Qwen3-4B, klein-9B Qwen3-8B.");
      }
      flow.spec().check(flowWeights);
      image.spec().check(imageWeights);
      encoder.weights(taken(encoder)).check(encoderWeights);
      return new Sources(
          all,
          flow,
          flowWeights,
          image,
          imageWeights,
          encoder,
          encoderWeights,
          tokenizer,
          variant,
          options);
    } catch (RuntimeException e) {
      all.close();
      throw e;
    }
  }

  private static FluxArchitecture flow(PipelineFiles files, WeightSource weights) {
    if (!weights.names().contains("single_stream_modulation.lin.weight")) {
      throw EspalierException.config(
          "The weights " + weights.location() + " are not of a FLUX.2 transformer.",
          "Maybe use the model id flux for FLUX.1.");
    }
    JsonNode config =
        files.isPipeline() ? PipelineFiles.config(files.transformer()) : MissingNode.getInstance();
    return FluxArchitecture.of(
        weights,
        PipelineFiles.integers(config.path("axes_dims_rope")),
        config.path("rope_theta").asDouble(2000),
        config.path("eps").asDouble(1e-6));
  }

  private static String variant(Flux2Config config, PipelineFiles files) {
    String asked = config.variant();
    if (files.isPipeline()) {
      String found =
          files.index().path("is_distilled").asBoolean() ? Flux2Config.DISTILLED : Flux2Config.BASE;
      if (asked != null && !asked.equals(found)) {
        throw EspalierException.config(
            "The variant (%s) does not fit the weights %s, whose model_index.json says %s."
                .formatted(asked, files.home(), found),
            "Maybe remove variant.");
      }
      return found;
    }
    if (asked != null) {
      return asked;
    }
    String name = String.valueOf(files.transformer().getFileName());
    if (!name.contains("klein")) {
      throw EspalierException.config(
          "The file " + files.transformer() + " does not say whether it is distilled.",
          "Maybe set variant to distilled or base.");
    }
    return name.contains("base") ? Flux2Config.BASE : Flux2Config.DISTILLED;
  }

  private static FlowOptions options(
      Flux2Config config, String variant, KlArchitecture image, String weights) {
    boolean distilled = variant.equals(Flux2Config.DISTILLED);
    if (distilled) {
      FlowOptions.refuseGuidance(config.guidance(), 1, "the weights " + weights);
    }
    Double asked = config.guidance();
    double guidance = asked != null ? asked : distilled ? 1 : 4;
    FlowOptions.checkNegative(config.negativePrompt(), guidance != 1);
    int width = config.width() == null ? 1024 : config.width();
    int height = config.height() == null ? 1024 : config.height();
    int patch = image.stride() * KlArchitecture.PATCH;
    int tokens = (width / patch) * (height / patch);
    FlowSampling sampling =
        FlowSampling.of(
            Objects.requireNonNull(config.sampler()),
            distilled ? 4 : 50,
            steps -> FlowSchedule.empiricalShift(tokens, steps),
            FlowSchedule::times);
    return new FlowOptions(sampling, guidance, config.negativePrompt(), width, height).whole(patch);
  }

  @Override
  public GenerativeModel load(Flux2Config config, LoadContext context) {
    Device device = TorchEngine.device(context);
    try (Sources sources = sources(config, context);
        FlowParts parts = new FlowParts()) {
      FluxArchitecture flow = sources.flow;
      Integer asked = config.textLength();
      int length = asked == null ? 512 : asked;
      FlowText text = text(sources, parts, length, device);
      int patch = sources.image.stride() * KlArchitecture.PATCH;
      FlowOptions options = sources.options;
      FlowNetwork network =
          parts.keep(
              new FlowNetwork(
                  flow,
                  flow.program(),
                  FlowParts.orRandom(sources.flowWeights, flow.spec()),
                  device,
                  options.height() / patch,
                  options.width() / patch));
      KlAutoencoder autoencoder =
          parts.keep(
              new KlAutoencoder(
                  sources.image,
                  true,
                  FlowParts.orRandom(sources.imageWeights, sources.image.spec()),
                  device));
      boolean random = sources.flowWeights == null;
      Map<String, String> facts = options.facts();
      facts.put("variant", sources.variant);
      facts.put("textTokens", Integer.toString(length));
      return parts.complete(
          new FlowParts.Identity(
              id(),
              random ? Objects.requireNonNull(config.weights()) : sources.all.sha256(),
              random ? FlowParts.UNLICENSED : licence(flow),
              facts),
          options,
          network,
          autoencoder,
          text,
          device);
    }
  }

  private static FlowText text(Sources sources, FlowParts parts, int length, Device device) {
    WeightSource weights = sources.encoderWeights;
    Path tokenizer = sources.tokenizer;
    if (weights == null || tokenizer == null) {
      return new FlowText.Untrained(
          device, length, List.of(new long[] {1, length, sources.flow.textWidth()}));
    }
    TextTokenizer opened = parts.keep(TextTokenizer.open(tokenizer, length));
    Qwen3Encoder encoder =
        parts.keep(new Qwen3Encoder(sources.encoder, taken(sources.encoder), weights, device));
    return new QwenText(tokenizer, opened, encoder, false, true);
  }

  /** The 4B weights are free, the larger ones are not. */
  private static String licence(FluxArchitecture flow) {
    return flow.width() <= FluxArchitecture.KLEIN_4B.width()
        ? "Apache-2.0"
        : "FLUX Non-Commercial License";
  }
}
