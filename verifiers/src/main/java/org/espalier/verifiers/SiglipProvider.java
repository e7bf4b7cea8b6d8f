package org.espalier.verifiers;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
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
 * SigLIP (Zhai et al. 2023, <a href="https://arxiv.org/abs/2303.15343">arXiv:2303.15343</a>): two
 * towers whose cosine, scaled and shifted, is the logit of image and text belonging together.
 * Checkpoints in the layout of transformers' {@code SiglipModel}.
 */
public final class SiglipProvider implements VerifierProvider<SiglipConfig> {
  @Override
  public String id() {
    return ClipScore.SIGLIP.id();
  }

  @Override
  public Class<SiglipConfig> configType() {
    return SiglipConfig.class;
  }

  @Override
  public void check(SiglipConfig config, LoadContext context) {
    try (OpenedCheckpoint<SiglipArchitecture> opened = open(config, context)) {
      opened.tokenizer(opened.architecture().textLimit()).close();
    }
  }

  @Override
  public Verifier load(SiglipConfig config, LoadContext context) {
    try (OpenedCheckpoint<SiglipArchitecture> opened = open(config, context)) {
      Device device = TorchEngine.device(context);
      TextTokenizer tokenizer = opened.tokenizer(opened.architecture().textLimit());
      try {
        return new ClipVerifier(
            ClipScore.SIGLIP,
            ClipNetwork.load(opened.architecture(), opened.source(), device),
            opened.architecture(),
            new PixelVerifier.Parts(
                opened.transform(),
                tokenizer,
                device,
                opened.source().sha256(),
                ClipScore.SIGLIP.provenance(opened.json())));
      } catch (RuntimeException e) {
        tokenizer.close();
        throw e;
      }
    }
  }

  private OpenedCheckpoint<SiglipArchitecture> open(SiglipConfig config, LoadContext context) {
    Path directory = WeightsLocation.resolve(id(), config.weights(), context);
    JsonNode json = ModelJson.require(directory.resolve("config.json"), "configuration of SigLIP");
    return OpenedCheckpoint.of(
        directory,
        json,
        WeightSource.open(directory),
        source -> SiglipArchitecture.of(json, source),
        architecture -> ImageTransform.siglip(directory, architecture.imageSize()),
        SiglipArchitecture::spec);
  }
}
