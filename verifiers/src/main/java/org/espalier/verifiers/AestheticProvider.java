package org.espalier.verifiers;

import ai.djl.Device;
import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.espalier.api.EspalierException;
import org.espalier.spi.LoadContext;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierProvider;
import org.espalier.torch.DType;
import org.espalier.torch.TorchEngine;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;
import org.espalier.torch.WeightsLocation;

/**
 * LAION's <a href="https://github.com/christophschuhmann/improved-aesthetic-predictor">improved
 * aesthetic predictor</a>: linear layers on the normalised CLIP embedding of the image, trained on
 * ratings from 1 to 10. It does not read the prompt.
 */
public final class AestheticProvider implements VerifierProvider<AestheticConfig> {
  private static final String MODEL = "the aesthetic predictor";
  private static final String PREFIX = "layers.";

  @Override
  public String id() {
    return "aesthetic";
  }

  @Override
  public Class<AestheticConfig> configType() {
    return AestheticConfig.class;
  }

  @Override
  public Verifier load(AestheticConfig config, LoadContext context) {
    Path file = WeightsLocation.resolve(id(), config.weights(), context);
    Path directory = WeightsLocation.resolve("clip", config.clip(), context);
    JsonNode json = ModelJson.require(directory.resolve("config.json"), "configuration of CLIP");
    Device device = TorchEngine.device(context.device());
    try (WeightSource clipSource = WeightSource.open(directory);
        WeightSource headSource = open(file)) {
      ClipArchitecture architecture = ClipArchitecture.of(json, clipSource);
      ImageTransform transform = ClipProvider.transform(directory, architecture.imageSize());
      ScoreHead head = ScoreHead.of(headSource, PREFIX, MODEL);
      if (head.widths().get(0) != architecture.projection()) {
        throw EspalierException.config(
            "The aesthetic predictor %s reads embeddings of %d numbers, but CLIP in %s gives %d."
                .formatted(
                    headSource.location(),
                    head.widths().get(0),
                    directory,
                    architecture.projection()),
            "Maybe use the CLIP it was trained on: openai/clip-vit-large-patch14.");
      }
      WeightSpec.Builder spec = WeightSpec.builder();
      head.expect(spec, headSource, PREFIX, architecture.projection());
      ClipNetwork clip = ClipNetwork.loadImageSide(architecture, clipSource, device);
      try {
        TorchProgram program =
            TorchProgram.builder("Aesthetic")
                .text(AestheticProvider.class, "transformer.py")
                .text(AestheticProvider.class, "aesthetic.py")
                .device(device)
                .dtype(DType.F32)
                .load(headSource, spec.build());
        List<Path> files = new ArrayList<>(clipSource.files());
        files.addAll(headSource.files());
        return new AestheticVerifier(
            clip,
            program,
            architecture,
            head,
            new PixelVerifier.Parts(
                transform,
                null,
                device,
                WeightSource.sha256(files),
                "not stated (LAION's predictor: Apache-2.0; OpenAI's CLIP: MIT)"));
      } catch (RuntimeException e) {
        clip.close();
        throw e;
      }
    }
  }

  private static WeightSource open(Path file) {
    return Files.isDirectory(file)
        ? WeightSource.open(file, "model.safetensors", "sac+logos+ava1-l14-linearMSE.pth")
        : WeightSource.open(file);
  }
}
