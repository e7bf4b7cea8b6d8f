package org.espalier.verifiers;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.espalier.api.Verdict;
import org.espalier.spi.VerifierCard;
import org.espalier.torch.Tokens;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.TorchTensor;

/** The aesthetic predictor. The value is the predicted rating. */
final class AestheticVerifier extends PixelVerifier {
  private final ClipNetwork clip;
  private final TorchProgram head;
  private final ClipArchitecture architecture;
  private final ScoreHead layers;

  AestheticVerifier(
      ClipNetwork clip,
      TorchProgram head,
      ClipArchitecture architecture,
      ScoreHead layers,
      Parts parts) {
    super(
        parts,
        new VerifierCard(
            "aesthetic",
            parts.weightsSha256(),
            head.sha256(),
            parts.provenance().licence(),
            parts.transform().describe(),
            OptionalInt.empty(),
            "about 1 to 10, not limited",
            "aesthetic",
            parts.facts(
                Map.of(
                    "clip-program-sha256",
                    clip.programSha256(),
                    "image-size",
                    String.valueOf(architecture.imageSize()),
                    "prompt",
                    "not read",
                    "dtype",
                    "float32"))));
    this.clip = clip;
    this.head = head;
    this.architecture = architecture;
    this.layers = layers;
  }

  @Override
  Work work(Tokens text, int width, int height) {
    return new Work(1, architecture.imageTokens(), architecture.imageFlops() + layers.flops());
  }

  @Override
  List<Verdict> judge(List<Row<float[]>> batch) {
    int n = batch.size();
    float[] scores;
    try (TorchTensor images = clip.embedImages(pixels(batch), n, architecture.imageSize());
        TorchTensor out = head.call("score", images)) {
      scores = out.toFloats();
    }
    List<Verdict> verdicts = new ArrayList<>();
    for (int i = 0; i < n; i++) {
      verdicts.add(verdict(scores[i], batch.get(i).text(), Map.of()));
    }
    return verdicts;
  }

  @Override
  void closeNetwork() {
    try {
      head.close();
    } finally {
      clip.close();
    }
  }
}
