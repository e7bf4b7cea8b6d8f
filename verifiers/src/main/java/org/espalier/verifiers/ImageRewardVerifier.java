package org.espalier.verifiers;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.espalier.api.Verdict;
import org.espalier.spi.VerifierCard;
import org.espalier.torch.Tokens;

/**
 * ImageReward. The value is the standardised reward; parts: {@code raw}, the reward before that,
 * and {@code truncated}.
 */
final class ImageRewardVerifier extends PixelVerifier {
  private final ImageRewardNetwork network;
  private final ImageRewardArchitecture architecture;

  ImageRewardVerifier(
      ImageRewardNetwork network,
      ImageRewardArchitecture architecture,
      int textLimit,
      Parts parts) {
    super(
        parts,
        new VerifierCard(
            "image-reward",
            parts.weightsSha256(),
            network.programSha256(),
            parts.provenance().licence(),
            parts.transform().describe(),
            OptionalInt.of(textLimit),
            "unbounded; mean 0, deviation 1 over the reference set",
            "image-reward",
            parts.facts(
                Map.of(
                    "image-size", String.valueOf(architecture.imageSize()),
                    "mean", String.valueOf(architecture.mean()),
                    "std", String.valueOf(architecture.std()),
                    "dtype", "float32"))));
    this.network = network;
    this.architecture = architecture;
  }

  @Override
  Work work(Tokens text, int width, int height) {
    return new Work(
        2, architecture.imageTokens() + text.length(), architecture.flops(text.length()));
  }

  @Override
  List<Verdict> judge(List<Row<float[]>> batch) {
    int n = batch.size();
    int length = batch.stream().mapToInt(row -> row.text().length()).max().orElse(0);
    long[] ids = new long[n * length];
    long[] mask = new long[n * length];
    for (int i = 0; i < n; i++) {
      Tokens text = batch.get(i).text();
      System.arraycopy(text.ids(), 0, ids, i * length, text.length());
      Arrays.fill(mask, i * length, i * length + text.length(), 1);
    }
    float[][] rewards = network.score(pixels(batch), architecture.imageSize(), ids, mask, n);
    List<Verdict> verdicts = new ArrayList<>();
    for (int i = 0; i < n; i++) {
      verdicts.add(
          verdict(rewards[1][i], batch.get(i).text(), Map.of("raw", (double) rewards[0][i])));
    }
    return verdicts;
  }

  @Override
  void closeNetwork() {
    network.close();
  }
}
