package org.espalier.verifiers;

import ai.djl.Device;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.espalier.api.Verdict;
import org.espalier.spi.RgbImage;
import org.espalier.spi.VerifierCard;
import org.espalier.torch.Tokens;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.TorchTensor;

/** The aesthetic predictor. The value is the predicted rating. */
final class AestheticVerifier extends NetworkVerifier<float[]> {
  private static final Tokens NO_TEXT = new Tokens(new long[0], 0, false);

  private final ClipNetwork clip;
  private final TorchProgram head;
  private final ClipArchitecture architecture;
  private final ScoreHead layers;
  private final ImageTransform transform;
  private final VerifierCard card;

  AestheticVerifier(
      ClipNetwork clip,
      TorchProgram head,
      ClipArchitecture architecture,
      ScoreHead layers,
      ImageTransform transform,
      Device device,
      String weightsSha256) {
    super(device);
    this.clip = clip;
    this.head = head;
    this.architecture = architecture;
    this.layers = layers;
    this.transform = transform;
    this.card =
        new VerifierCard(
            "aesthetic",
            weightsSha256,
            head.sha256(),
            "not stated (LAION's predictor: Apache-2.0; OpenAI's CLIP: MIT)",
            transform.describe(),
            OptionalInt.empty(),
            "about 1 to 10, not limited",
            "aesthetic",
            Map.of(
                "clip-program-sha256",
                clip.programSha256(),
                "image-size",
                String.valueOf(architecture.imageSize()),
                "prompt",
                "not read",
                "dtype",
                "float32"));
  }

  @Override
  public VerifierCard card() {
    return card;
  }

  @Override
  Tokens tokenize(String prompt) {
    return NO_TEXT;
  }

  @Override
  Work work(Tokens text, int width, int height) {
    return new Work(1, architecture.imageTokens(), architecture.imageFlops() + layers.flops());
  }

  @Override
  float[] prepare(RgbImage image) {
    return transform.apply(image);
  }

  @Override
  List<Verdict> judge(List<Row<float[]>> batch) {
    int n = batch.size();
    int length = batch.get(0).image().length;
    float[] pixels = new float[n * length];
    for (int i = 0; i < n; i++) {
      System.arraycopy(batch.get(i).image(), 0, pixels, i * length, length);
    }
    float[] scores;
    try (TorchTensor images = clip.embedImages(pixels, n, architecture.imageSize());
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
  public void close() {
    try {
      head.close();
    } finally {
      clip.close();
    }
  }
}
