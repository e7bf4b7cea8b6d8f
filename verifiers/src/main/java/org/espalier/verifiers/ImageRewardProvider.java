package org.espalier.verifiers;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import org.espalier.api.EspalierException;
import org.espalier.spi.LoadContext;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierProvider;
import org.espalier.torch.Device;
import org.espalier.torch.TextTokenizer;
import org.espalier.torch.TorchEngine;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightsLocation;
import org.espalier.weights.HubCache;
import org.espalier.weights.HubId;
import org.espalier.weights.HubReferences;
import org.espalier.weights.ModelJson;

/**
 * ImageReward (Xu et al. 2023, <a href="https://arxiv.org/abs/2304.05977">arXiv:2304.05977</a>): a
 * network trained on human preferences, which reads the prompt while it attends to the image. The
 * value is the standardised reward of the reference implementation.
 */
public final class ImageRewardProvider
    implements VerifierProvider<ImageRewardConfig>, HubReferences.Companions {
  /** Beyond this the reference implementation cuts prompts off, special tokens included. */
  static final int PUBLISHED_TEXT_LIMIT = 35;

  private static final String PUBLISHED_TOKENIZER = "hf:google-bert/bert-base-uncased";

  @Override
  public String id() {
    return "image-reward";
  }

  @Override
  public Class<ImageRewardConfig> configType() {
    return ImageRewardConfig.class;
  }

  @Override
  public void check(ImageRewardConfig config, LoadContext context) {
    try (OpenedCheckpoint<ImageRewardArchitecture> opened = open(config, context)) {
      tokenizer(opened, config, context).close();
    }
  }

  @Override
  public Verifier load(ImageRewardConfig config, LoadContext context) {
    try (OpenedCheckpoint<ImageRewardArchitecture> opened = open(config, context)) {
      Device device = TorchEngine.device(context);
      TextTokenizer tokenizer = tokenizer(opened, config, context);
      try {
        return new ImageRewardVerifier(
            ImageRewardNetwork.load(opened.architecture(), opened.source(), device),
            opened.architecture(),
            tokenizer.maxLength(),
            new PixelVerifier.Parts(
                opened.transform(),
                tokenizer,
                device,
                opened.source().sha256(),
                Provenance.of(
                    opened.json(),
                    "THUDM's ImageReward: Apache-2.0",
                    Set.of("blip"),
                    Set.of("imagereward-db"))));
      } catch (RuntimeException e) {
        tokenizer.close();
        throw e;
      }
    }
  }

  private static OpenedCheckpoint<ImageRewardArchitecture> open(
      ImageRewardConfig config, LoadContext context) {
    Path directory = WeightsLocation.resolve("image-reward", config.weights(), context);
    JsonNode json = ModelJson.optional(directory.resolve("config.json"));
    JsonNode bert =
        json.has("bert")
            ? ModelJson.section(json.get("bert"))
            : ModelJson.require(
                directory.resolve("med_config.json"), "configuration of ImageReward's text side");
    return OpenedCheckpoint.of(
        directory,
        json,
        ImageRewardArchitecture.unwrapped(
            WeightSource.open(
                directory,
                "model.safetensors",
                "model.safetensors.index.json",
                "ImageReward.pt",
                "pytorch_model.bin")),
        source ->
            ImageRewardArchitecture.of(
                ModelJson.section(json.path("vit")),
                bert,
                json.path("mean").asDouble(ImageRewardArchitecture.PUBLISHED_MEAN),
                json.path("std").asDouble(ImageRewardArchitecture.PUBLISHED_STD),
                source),
        architecture -> transform(directory, json, architecture.imageSize()),
        ImageRewardArchitecture::spec);
  }

  private static ImageTransform transform(Path directory, JsonNode json, int imageSize) {
    return ImageTransform.read(
            directory.resolve("preprocessor_config.json"),
            ImageTransform.of(
                json.path("preprocessor"),
                directory.resolve("config.json"),
                ImageTransform.clip(imageSize, ImageTransform.CropRounding.HALF_EVEN)))
        .requireSquare(imageSize, directory);
  }

  private static TextTokenizer tokenizer(
      OpenedCheckpoint<ImageRewardArchitecture> opened,
      ImageRewardConfig config,
      LoadContext context) {
    int limit =
        Math.min(
            ModelJson.positive(opened.json(), "max_length", PUBLISHED_TEXT_LIMIT),
            opened.architecture().positions());
    String named = config.tokenizer();
    if (named == null) {
      Path own = opened.directory().resolve("tokenizer.json");
      HubId published = HubId.of(PUBLISHED_TOKENIZER);
      if (!Files.exists(own) && HubCache.ofUser().has(published)) {
        return TextTokenizer.open(
            HubCache.ofUser().resolve(published).resolve("tokenizer.json"), limit);
      }
      if (!Files.exists(own)) {
        throw EspalierException.config(
            "The tokenizer (" + own + ") of image-reward does not exist.",
            "Maybe set tokenizer: "
                + PUBLISHED_TOKENIZER
                + ", and run: "
                + HubCache.getLine(published));
      }
      return opened.tokenizer(limit);
    }
    Path place = WeightsLocation.path(named, context.baseDirectory());
    return TextTokenizer.open(
        Files.isDirectory(place) ? place.resolve("tokenizer.json") : place, limit);
  }

  /** The repository of the weights has no tokenizer: it is BERT's. */
  @Override
  public Set<String> companions(Map<String, ?> config) {
    boolean hub = String.valueOf(config.get("weights")).startsWith(HubId.PREFIX);
    return hub && config.get("tokenizer") == null
        ? Set.of(PUBLISHED_TOKENIZER + "/tokenizer.json")
        : Set.of();
  }
}
