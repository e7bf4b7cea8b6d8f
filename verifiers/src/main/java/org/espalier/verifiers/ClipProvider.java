package org.espalier.verifiers;

import ai.djl.Device;
import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import org.espalier.api.EspalierException;
import org.espalier.spi.LoadContext;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierProvider;
import org.espalier.torch.TextTokenizer;
import org.espalier.torch.TorchEngine;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightsLocation;
import org.espalier.weights.ModelJson;

/**
 * CLIPScore (Hessel et al. 2021, <a href="https://arxiv.org/abs/2104.08718">arXiv:2104.08718</a>):
 * the cosine between CLIP's embeddings of image and prompt, times 100. Any {@code CLIPModel} in
 * Hugging Face's layout, such as {@code openai/clip-vit-base-patch32} or {@code
 * openai/clip-vit-large-patch14}.
 */
public final class ClipProvider implements VerifierProvider<ClipConfig> {
  @Override
  public String id() {
    return "clip";
  }

  @Override
  public Class<ClipConfig> configType() {
    return ClipConfig.class;
  }

  @Override
  public void check(ClipConfig config, LoadContext context) {
    try (OpenedCheckpoint<ClipArchitecture> opened = open(config, context)) {
      tokenizer(opened).close();
    }
  }

  @Override
  public Verifier load(ClipConfig config, LoadContext context) {
    try (OpenedCheckpoint<ClipArchitecture> opened = open(config, context)) {
      Device device = TorchEngine.device(context.device());
      TextTokenizer tokenizer = tokenizer(opened);
      try {
        return new ClipVerifier(
            ClipNetwork.load(opened.architecture(), opened.source(), device),
            opened.architecture(),
            new PixelVerifier.Parts(
                opened.transform(),
                tokenizer,
                device,
                opened.source().sha256(),
                opened.json().path("licence").asText("not stated (OpenAI's CLIP: MIT)")));
      } catch (RuntimeException e) {
        tokenizer.close();
        throw e;
      }
    }
  }

  private static OpenedCheckpoint<ClipArchitecture> open(ClipConfig config, LoadContext context) {
    Path directory = WeightsLocation.resolve("clip", config.weights(), context);
    JsonNode json = ModelJson.require(directory.resolve("config.json"), "configuration of CLIP");
    return OpenedCheckpoint.of(
        directory,
        json,
        ClipArchitecture.unwrapped(WeightSource.open(directory)),
        source -> ClipArchitecture.of(json, source),
        architecture -> transform(directory, architecture.imageSize()),
        ClipArchitecture::spec);
  }

  private static TextTokenizer tokenizer(OpenedCheckpoint<ClipArchitecture> opened) {
    return opened.tokenizer(opened.architecture().text().maxPositionEmbeddings());
  }

  /** How images are prepared: as {@code preprocessor_config.json} says, if it is there. */
  static ImageTransform transform(Path directory, int imageSize) {
    ImageTransform transform =
        ImageTransform.read(
            directory.resolve("preprocessor_config.json"),
            ImageTransform.clip(imageSize, ImageTransform.CropRounding.DOWN));
    requireSquare(transform, imageSize, directory);
    return transform;
  }

  static void requireSquare(ImageTransform transform, int imageSize, Path directory) {
    if (!transform.fits(imageSize)) {
      throw EspalierException.config(
          "The images that preprocessor_config.json of %s asks for (%s) are not the %d x %d pixels"
                  .formatted(directory, transform.describe(), imageSize, imageSize)
              + " that the weights need.",
          "Maybe the file belongs to another checkpoint.");
    }
  }
}
