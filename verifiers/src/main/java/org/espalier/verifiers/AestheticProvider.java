package org.espalier.verifiers;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.espalier.api.EspalierException;
import org.espalier.spi.LoadContext;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierProvider;
import org.espalier.torch.DType;
import org.espalier.torch.Device;
import org.espalier.torch.TorchEngine;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;
import org.espalier.torch.WeightsLocation;
import org.espalier.weights.ModelJson;

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
  public void check(AestheticConfig config, LoadContext context) {
    Opened.of(config, context).close();
  }

  @Override
  public Verifier load(AestheticConfig config, LoadContext context) {
    try (Opened opened = Opened.of(config, context)) {
      Device device = TorchEngine.device(context);
      ClipNetwork clip = ClipNetwork.loadImageSide(opened.architecture, opened.clip, device);
      try {
        TorchProgram program =
            TorchProgram.builder("Aesthetic")
                .text(AestheticProvider.class, "transformer.py")
                .text(AestheticProvider.class, "aesthetic.py")
                .device(device)
                .dtype(DType.F32)
                .load(opened.layers, opened.spec);
        List<Path> files = new ArrayList<>(opened.clip.files());
        files.addAll(opened.layers.files());
        return new AestheticVerifier(
            clip,
            program,
            opened.architecture,
            opened.head,
            new PixelVerifier.Parts(
                opened.transform,
                null,
                device,
                WeightSource.sha256(files),
                Provenance.of(
                    MissingNode.getInstance(),
                    "LAION's predictor: Apache-2.0; OpenAI's CLIP: MIT",
                    Set.of("clip"),
                    Set.of("openai-wit", "sac", "logos", "ava"))));
      } catch (RuntimeException e) {
        clip.close();
        throw e;
      }
    }
  }

  /** Both checkpoints, whose files, keys and shapes fit together; no tensor has been read. */
  private record Opened(
      WeightSource clip,
      WeightSource layers,
      ClipArchitecture architecture,
      ImageTransform transform,
      ScoreHead head,
      WeightSpec spec)
      implements AutoCloseable {

    static Opened of(AestheticConfig config, LoadContext context) {
      Path file = WeightsLocation.resolve("aesthetic", config.weights(), context);
      Path directory = WeightsLocation.resolve("clip", config.clip(), context);
      JsonNode json = ModelJson.require(directory.resolve("config.json"), "configuration of CLIP");
      List<WeightSource> sources = new ArrayList<>();
      try {
        WeightSource clip = keep(sources, WeightSource.open(directory));
        clip = ClipArchitecture.unwrapped(clip);
        WeightSource layers = keep(sources, open(file));
        layers = layers.unwrapped(PREFIX + "0.weight", MODEL);
        ClipArchitecture architecture = ClipArchitecture.of(json, clip);
        ImageTransform transform =
            ClipFamilyProvider.transform(
                directory, architecture.imageSize(), ImageTransform.CropRounding.DOWN);
        ScoreHead head = ScoreHead.of(layers, PREFIX, MODEL);
        if (head.widths().get(0) != architecture.projection()) {
          throw EspalierException.config(
              "The aesthetic predictor %s reads embeddings of %d numbers, but CLIP in %s gives %d."
                  .formatted(
                      layers.location(),
                      head.widths().get(0),
                      directory,
                      architecture.projection()),
              "Maybe use the CLIP it was trained on: openai/clip-vit-large-patch14.");
        }
        WeightSpec.Builder builder = WeightSpec.builder();
        head.expect(builder, layers, PREFIX, architecture.projection());
        WeightSpec spec = builder.build();
        architecture.imageSideSpec(clip).check(clip);
        spec.check(layers);
        return new Opened(clip, layers, architecture, transform, head, spec);
      } catch (RuntimeException e) {
        sources.forEach(WeightSource::close);
        throw e;
      }
    }

    private static WeightSource keep(List<WeightSource> sources, WeightSource source) {
      sources.add(source);
      return source;
    }

    @Override
    public void close() {
      clip.close();
      layers.close();
    }
  }

  private static WeightSource open(Path file) {
    return Files.isDirectory(file)
        ? WeightSource.open(file, "model.safetensors", "sac+logos+ava1-l14-linearMSE.pth")
        : WeightSource.open(file);
  }
}
