package org.espalier.models.diffusion;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.UnaryOperator;
import org.espalier.api.EspalierException;
import org.espalier.spi.LoadContext;
import org.espalier.torch.Gemma2Config;
import org.espalier.torch.Gemma2Encoder;
import org.espalier.torch.TextTokenizer;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightsLocation;
import org.espalier.weights.ModelJson;
import org.jspecify.annotations.Nullable;

/** Loads SANA-1.5. */
public final class SanaProvider extends FlowProvider<SanaConfig> {
  private static final String LICENCE =
      "custom (LICENSE.txt of the weights), text encoder: Gemma Terms of Use";

  public SanaProvider() {
    super("sana", SanaConfig.class);
  }

  @Override
  FlowBlueprint blueprint(SanaConfig config, LoadContext context) {
    String weights = Objects.requireNonNull(config.weights());
    if (weights.startsWith(FlowBlueprint.RANDOM)) {
      SanaArchitecture flow =
          switch (weights.substring(FlowBlueprint.RANDOM.length())) {
            case "1.6b" -> SanaArchitecture.SMALL;
            case "4.8b" -> SanaArchitecture.LARGE;
            default ->
                throw EspalierException.config(
                        "The weights (" + weights + ") are not of a published SANA-1.5.",
                        "Maybe use random:1.6b, random:4.8b, or the weights' directory.")
                    .about("weights");
          };
      int length = length(config);
      return blueprint(
          config,
          new OpenWeights(),
          weights,
          flow,
          null,
          DcArchitecture.PUBLISHED,
          null,
          FlowBlueprint.untrained(
              length, new long[] {1, length, flow.textWidth()}, new long[] {1, length}),
          3);
    }
    PipelineFiles files =
        PipelineFiles.locate(
            WeightsLocation.resolve(id(), weights, context),
            context.baseDirectory(),
            "SANA",
            List.of("SanaPipeline"),
            List.of());
    Path autoencoder = files.part("autoencoder", "autoencoder", config.autoencoder(), "vae");
    Path textEncoder =
        files.part("text encoder (Gemma 2)", "textEncoder", config.textEncoder(), "text_encoder");
    Path tokenizer = files.tokenizer("tokenizer", config.tokenizer(), "tokenizer", textEncoder);
    OpenWeights open = new OpenWeights();
    try {
      WeightSource flowWeights = open.open(files.transformer(), UnaryOperator.identity());
      SanaArchitecture flow =
          SanaArchitecture.of(flowWeights, PipelineFiles.config(files.transformer()));
      WeightSource imageWeights = open.open(autoencoder, UnaryOperator.identity());
      DcArchitecture image = DcArchitecture.of(imageWeights, PipelineFiles.config(autoencoder));
      Gemma2Config encoder = Gemma2Config.read(textEncoder.resolve("config.json"));
      WeightSource encoderWeights = open.open(textEncoder, Gemma2Encoder::layout);
      if (flow.textWidth() != encoder.hiddenSize()) {
        throw EspalierException.config(
            "The transformer reads texts of width %d, but the encoder %s gives %d."
                .formatted(flow.textWidth(), textEncoder, encoder.hiddenSize()),
            "Maybe textEncoder is of another model; SANA wants Gemma-2-2B.");
      }
      if (flow.latentChannels() != image.latentChannels()) {
        throw EspalierException.config(
            "The transformer %s reads latents of %d channels, but the autoencoder %s has %d."
                .formatted(
                    files.transformer(),
                    flow.latentChannels(),
                    autoencoder,
                    image.latentChannels()),
            "Maybe set autoencoder to the one that the transformer was trained with.");
      }
      flow.spec().check(flowWeights);
      image.spec().check(imageWeights);
      encoder.weights().check(encoderWeights);
      double shift =
          ModelJson.optional(files.home().resolve("scheduler").resolve("scheduler_config.json"))
              .path("flow_shift")
              .asDouble(3);
      return blueprint(
          config,
          open,
          weights,
          flow,
          flowWeights,
          image,
          imageWeights,
          text(config, tokenizer, encoder, encoderWeights),
          shift);
    } catch (RuntimeException e) {
      open.close();
      throw e;
    }
  }

  private static FlowBlueprint blueprint(
      SanaConfig config,
      OpenWeights open,
      String weights,
      SanaArchitecture flow,
      @Nullable WeightSource flowWeights,
      DcArchitecture image,
      @Nullable WeightSource imageWeights,
      FlowBlueprint.Loader<FlowText> text,
      double shift) {
    FlowSamplerConfig sampler = Objects.requireNonNull(config.sampler());
    String kind = sampler.kind() == null ? "dpm++" : sampler.kind();
    FlowSampling sampling =
        FlowSampling.of(
            sampler,
            kind,
            20,
            steps -> shift,
            kind.equals("dpm++") ? FlowSchedule::almostFromOne : FlowSchedule::times);
    Double guidance = config.guidance();
    FlowOptions options =
        FlowOptions.of(
            sampling,
            guidance == null ? 4.5 : guidance,
            config.negativePrompt(),
            config.width() == null ? 1024 : config.width(),
            config.height() == null ? 1024 : config.height(),
            image.stride());
    Map<String, String> facts = options.facts();
    facts.put("instruction", instruction(config));
    facts.put("textTokens", Integer.toString(length(config)));
    return new FlowBlueprint(
        open,
        weights,
        LICENCE,
        flow,
        flow.program(),
        flowWeights,
        (parts, device) ->
            parts.keep(
                new DcAutoencoder(
                    image,
                    imageWeights == null ? WeightSource.random(image.spec()) : imageWeights,
                    device)),
        image.stride(),
        text,
        options,
        facts);
  }

  private static FlowBlueprint.Loader<FlowText> text(
      SanaConfig config, Path tokenizer, Gemma2Config encoder, WeightSource weights) {
    String instruction = instruction(config);
    int length = length(config);
    int together = length;
    if (!instruction.isEmpty()) {
      try (TextTokenizer counting = TextTokenizer.open(tokenizer, encoder.slidingWindow())) {
        // Of the two lengths one counts the begin of the text, and one the first word, twice.
        together += counting.encode(instruction).ids().length - 2;
      }
    }
    if (together > encoder.slidingWindow()) {
      throw EspalierException.config(
          "The instruction and a text of %d tokens are longer together (%d) than the encoder reads (%d)."
              .formatted(length, together, encoder.slidingWindow()),
          "Maybe shorten instruction or textLength.");
    }
    int most = together;
    return (parts, device) ->
        new SanaText(
            parts.keep(TextTokenizer.open(tokenizer, most)),
            parts.keep(TextTokenizer.open(tokenizer, length)),
            parts.keep(new Gemma2Encoder(encoder, weights, device)),
            instruction);
  }

  private static String instruction(SanaConfig config) {
    return config.instruction() == null ? "" : config.instruction();
  }

  private static int length(SanaConfig config) {
    Integer asked = config.textLength();
    return asked == null ? 300 : asked;
  }
}
