package org.espalier.verifiers;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.List;
import org.espalier.api.EspalierException;
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
 * LLaVA-OneVision (Li et al. 2024, <a href="https://arxiv.org/abs/2408.03326">arXiv:2408.03326</a>)
 * asked whether the image shows the prompt: the value is P(yes) / (P(yes) + P(no)), as in <a
 * href="https://arxiv.org/abs/2404.01291">VQAScore</a>. Checkpoints in the layouts of the hub and
 * of transformers 5.
 */
public final class LlavaOnevisionProvider implements VerifierProvider<LlavaOnevisionConfig> {
  @Override
  public String id() {
    return "llava-onevision";
  }

  @Override
  public Class<LlavaOnevisionConfig> configType() {
    return LlavaOnevisionConfig.class;
  }

  @Override
  public void check(LlavaOnevisionConfig config, LoadContext context) {
    try (OpenedCheckpoint<LlavaArchitecture> opened = open(config, context);
        TextTokenizer tokenizer = tokenizer(opened)) {
      prompts(config, tokenizer, opened.architecture());
    }
  }

  @Override
  public Verifier load(LlavaOnevisionConfig config, LoadContext context) {
    try (OpenedCheckpoint<LlavaArchitecture> opened = open(config, context)) {
      Device device = TorchEngine.device(context);
      TextTokenizer tokenizer = tokenizer(opened);
      try {
        LlavaPrompts prompts = prompts(config, tokenizer, opened.architecture());
        return new LlavaOnevisionVerifier(
            LlavaNetwork.load(opened.architecture(), opened.source(), device),
            opened.architecture(),
            opened.transform(),
            prompts,
            tokenizer,
            device,
            opened.source().sha256(),
            opened
                .json()
                .path("licence")
                .asText("not stated (llava-hf's checkpoints: Apache-2.0)"));
      } catch (RuntimeException e) {
        tokenizer.close();
        throw e;
      }
    }
  }

  private static OpenedCheckpoint<LlavaArchitecture> open(
      LlavaOnevisionConfig config, LoadContext context) {
    Path directory = WeightsLocation.resolve("llava-onevision", config.weights(), context);
    JsonNode json =
        ModelJson.require(directory.resolve("config.json"), "configuration of LLaVA-OneVision");
    return OpenedCheckpoint.of(
        directory,
        json,
        WeightSource.open(directory).renamed(LlavaArchitecture::canonical),
        source -> LlavaArchitecture.of(json, source),
        architecture -> transform(directory, architecture.imageSize()),
        LlavaArchitecture::spec);
  }

  private static ImageTransform transform(Path directory, int imageSize) {
    return ImageTransform.read(
            directory.resolve("preprocessor_config.json"),
            new ImageTransform(
                new ImageTransform.Resize.Exact(imageSize, imageSize),
                Resampling.BICUBIC,
                List.of(),
                ImageTransform.CropRounding.DOWN,
                1 / 255.0,
                List.of(0.5, 0.5, 0.5),
                List.of(0.5, 0.5, 0.5)))
        .requireSquare(imageSize, directory);
  }

  private static TextTokenizer tokenizer(OpenedCheckpoint<LlavaArchitecture> opened) {
    return opened.tokenizer(opened.architecture().positions());
  }

  private static LlavaPrompts prompts(
      LlavaOnevisionConfig config, TextTokenizer tokenizer, LlavaArchitecture architecture) {
    LlavaPrompts prompts = new LlavaPrompts(config, tokenizer, architecture.imageToken());
    if (prompts.read("a cat").truncated()) {
      throw EspalierException.config(
          "The question does not fit into the model's " + architecture.positions() + " tokens.",
          "Maybe use a shorter question.");
    }
    return prompts;
  }
}
