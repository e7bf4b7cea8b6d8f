package org.espalier.verifiers;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.Set;
import org.espalier.spi.LoadContext;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierProvider;
import org.espalier.torch.Device;
import org.espalier.torch.TextTokenizer;
import org.espalier.torch.TorchEngine;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightsLocation;
import org.espalier.weights.ModelJson;

/**
 * ImageReward (Xu et al. 2023, <a href="https://arxiv.org/abs/2304.05977">arXiv:2304.05977</a>): a
 * network trained on human preferences, which reads the prompt while it attends to the image. The
 * value is the standardised reward of the reference implementation.
 */
public final class ImageRewardProvider implements VerifierProvider<ImageRewardConfig> {
  /** Beyond this the reference implementation cuts prompts off, special tokens included. */
  static final int PUBLISHED_TEXT_LIMIT = 35;

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
      tokenizer(opened).close();
    }
  }

  @Override
  public Verifier load(ImageRewardConfig config, LoadContext context) {
    try (OpenedCheckpoint<ImageRewardArchitecture> opened = open(config, context)) {
      Device device = TorchEngine.device(context);
      TextTokenizer tokenizer = tokenizer(opened);
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

  private static TextTokenizer tokenizer(OpenedCheckpoint<ImageRewardArchitecture> opened) {
    int limit = ModelJson.positive(opened.json(), "max_length", PUBLISHED_TEXT_LIMIT);
    return opened.tokenizer(Math.min(limit, opened.architecture().positions()));
  }
}
