package org.espalier.verifiers;

import ai.djl.Device;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.espalier.api.Verdict;
import org.espalier.spi.RgbImage;
import org.espalier.spi.VerifierCard;
import org.espalier.torch.TextTokenizer;
import org.espalier.torch.Tokens;

/**
 * ImageReward. The value is the standardised reward; parts: {@code raw}, the reward before that,
 * and {@code truncated}.
 */
final class ImageRewardVerifier extends NetworkVerifier<float[]> {
  private final ImageRewardNetwork network;
  private final ImageRewardArchitecture architecture;
  private final ImageTransform transform;
  private final TextTokenizer tokenizer;
  private final VerifierCard card;

  ImageRewardVerifier(
      ImageRewardNetwork network,
      ImageRewardArchitecture architecture,
      ImageTransform transform,
      TextTokenizer tokenizer,
      Device device,
      String weightsSha256,
      String licence) {
    super(device);
    this.network = network;
    this.architecture = architecture;
    this.transform = transform;
    this.tokenizer = tokenizer;
    this.card =
        new VerifierCard(
            "image-reward",
            weightsSha256,
            network.programSha256(),
            licence,
            transform.describe(),
            OptionalInt.of(tokenizer.maxLength()),
            "unbounded; mean 0, deviation 1 over the reference set",
            "image-reward",
            Map.of(
                "image-size", String.valueOf(architecture.imageSize()),
                "mean", String.valueOf(architecture.mean()),
                "std", String.valueOf(architecture.std()),
                "dtype", "float32"));
  }

  @Override
  public VerifierCard card() {
    return card;
  }

  @Override
  Tokens tokenize(String prompt) {
    return tokenizer.encode(prompt);
  }

  @Override
  Work work(Tokens text, int width, int height) {
    return new Work(
        2, architecture.imageTokens() + text.length(), architecture.flops(text.length()));
  }

  @Override
  float[] prepare(RgbImage image) {
    return transform.apply(image);
  }

  @Override
  List<Verdict> judge(List<Row<float[]>> batch) {
    int n = batch.size();
    int area = batch.get(0).image().length;
    int length = batch.stream().mapToInt(row -> row.text().length()).max().orElse(0);
    float[] pixels = new float[n * area];
    long[] ids = new long[n * length];
    long[] mask = new long[n * length];
    for (int i = 0; i < n; i++) {
      System.arraycopy(batch.get(i).image(), 0, pixels, i * area, area);
      Tokens text = batch.get(i).text();
      System.arraycopy(text.ids(), 0, ids, i * length, text.length());
      Arrays.fill(mask, i * length, i * length + text.length(), 1);
    }
    float[][] rewards = network.score(pixels, architecture.imageSize(), ids, mask, n);
    List<Verdict> verdicts = new ArrayList<>();
    for (int i = 0; i < n; i++) {
      verdicts.add(
          verdict(rewards[1][i], batch.get(i).text(), Map.of("raw", (double) rewards[0][i])));
    }
    return verdicts;
  }

  @Override
  public void close() {
    network.close();
    tokenizer.close();
  }
}
