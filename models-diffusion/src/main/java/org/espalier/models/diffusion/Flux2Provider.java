package org.espalier.models.diffusion;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.espalier.api.EspalierException;
import org.espalier.spi.LoadContext;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightsLocation;

/** Loads FLUX.2-klein models. */
public final class Flux2Provider extends FlowProvider<Flux2Config> {
  private static final List<String> FILES =
      List.of(
          "flux-2-klein-4b.safetensors",
          "flux-2-klein-base-4b.safetensors",
          "flux-2-klein-9b.safetensors",
          "flux-2-klein-base-9b.safetensors");

  public Flux2Provider() {
    super("flux2", Flux2Config.class);
  }

  @Override
  FlowBlueprint blueprint(Flux2Config config, LoadContext context) {
    String weights = Objects.requireNonNull(config.weights());
    if (weights.startsWith(FlowBlueprint.RANDOM)) {
      return random(config, weights);
    }
    PipelineFiles files =
        PipelineFiles.locate(
            WeightsLocation.resolve(id(), weights, context),
            context.baseDirectory(),
            "FLUX.2-klein",
            List.of("Flux2KleinPipeline"),
            FILES);
    Path autoencoder =
        files.part("autoencoder", "autoencoder", config.autoencoder(), "vae", "ae.safetensors");
    QwenText.Files text = QwenText.Files.locate(files, config.textEncoder(), config.tokenizer());
    OpenWeights open = new OpenWeights();
    try {
      WeightSource flowWeights = open.open(files.transformer(), DiffusersWeights::transformer);
      FluxArchitecture flow = flow(files, flowWeights);
      WeightSource imageWeights = open.open(autoencoder, DiffusersWeights::autoencoder);
      KlArchitecture image =
          KlArchitecture.of(
              imageWeights, PipelineFiles.config(autoencoder), KlArchitecture.Scale.FLUX2);
      flow.requireLatent(image, files.transformer(), autoencoder);
      // The states a quarter, a half and three quarters deep make one token.
      int quarter = text.config().numHiddenLayers() / 4;
      List<Integer> taken = List.of(quarter, 2 * quarter, 3 * quarter);
      text.requireWidth(taken, flow.textWidth(), "klein-4B wants Qwen3-4B, klein-9B Qwen3-8B");
      String variant = variant(config, files);
      FlowOptions options = options(config, variant, image, weights);
      flow.spec().check(flowWeights);
      image.spec().check(imageWeights);
      return new FlowBlueprint(
          open,
          weights,
          licence(flow),
          flow,
          flow.program(),
          flowWeights,
          FlowBlueprint.kl(image, true, imageWeights),
          KlArchitecture.PATCH * image.stride(),
          text.loader(open, taken, length(config), false, true),
          options,
          facts(config, variant, options));
    } catch (RuntimeException e) {
      open.close();
      throw e;
    }
  }

  private static FlowBlueprint random(Flux2Config config, String weights) {
    String name = weights.substring(FlowBlueprint.RANDOM.length());
    if (!name.matches("klein(-base)?-(4b|9b)")) {
      throw EspalierException.config(
              "The weights (" + weights + ") are not of a published FLUX.2.",
              "Maybe use random:klein-4b, random:klein-base-4b, random:klein-9b, or the weights'"
                  + " directory.")
          .about("weights");
    }
    FluxArchitecture flow =
        name.endsWith("-9b") ? FluxArchitecture.KLEIN_9B : FluxArchitecture.KLEIN_4B;
    KlArchitecture image = KlArchitecture.published(32, KlArchitecture.Scale.FLUX2);
    String variant = name.contains("base") ? Flux2Config.BASE : Flux2Config.DISTILLED;
    FlowOptions options = options(config, variant, image, weights);
    int length = length(config);
    return new FlowBlueprint(
        new OpenWeights(),
        weights,
        licence(flow),
        flow,
        flow.program(),
        null,
        FlowBlueprint.kl(image, true, null),
        KlArchitecture.PATCH * image.stride(),
        FlowBlueprint.untrained(length, new long[] {1, length, flow.textWidth()}),
        options,
        facts(config, variant, options));
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
                "Maybe remove variant.")
            .about("variant");
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
              "Maybe set variant to distilled or base.")
          .about("variant");
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
    return FlowOptions.of(sampling, guidance, config.negativePrompt(), width, height, patch);
  }

  private static Map<String, String> facts(
      Flux2Config config, String variant, FlowOptions options) {
    Map<String, String> facts = options.facts();
    facts.put("variant", variant);
    facts.put("textTokens", Integer.toString(length(config)));
    return facts;
  }

  private static int length(Flux2Config config) {
    Integer asked = config.textLength();
    return asked == null ? 512 : asked;
  }

  /** The 4B weights are free, the larger ones are not. */
  private static String licence(FluxArchitecture flow) {
    return flow.width() <= FluxArchitecture.KLEIN_4B.width()
        ? "Apache-2.0"
        : "FLUX Non-Commercial License";
  }
}
