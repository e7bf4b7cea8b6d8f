package org.espalier.verifiers;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.espalier.api.Verdict;
import org.espalier.spi.ImageFeatures;
import org.espalier.spi.RgbImage;
import org.espalier.spi.VerifierCard;
import org.espalier.torch.RowExecutor;
import org.espalier.torch.Tokens;
import org.espalier.torch.TorchTensor;

/**
 * CLIPScore and its kin, see {@link ClipScore}. Parts: {@code cosine}; {@code logit}, the cosine
 * times the learned temperature; of CLIPScore {@code clip-score}, the published 2.5 * max(cosine,
 * 0); {@code truncated}.
 */
final class ClipVerifier extends PixelVerifier implements ImageFeatures {
  private static final int EMBEDDINGS_HELD = 1024;

  private final ClipScore score;
  private final ClipNetwork network;
  private final TwoTowers architecture;
  private final Map<String, float[]> embeddings = recent(EMBEDDINGS_HELD);

  ClipVerifier(ClipScore score, ClipNetwork network, TwoTowers architecture, Parts parts) {
    super(
        parts,
        new VerifierCard(
            score.id(),
            parts.weightsSha256(),
            network.programSha256(),
            parts.provenance().licence(),
            parts.transform().describe(),
            OptionalInt.of(architecture.textLimit()),
            score.range(),
            score.metric(),
            parts.facts(
                Map.of(
                    "image-size",
                    String.valueOf(architecture.imageSize()),
                    "image-flops",
                    String.valueOf(architecture.imageFlops()),
                    "dtype",
                    "float32",
                    "text",
                    "charged with each image; its embedding is held from image to image"))));
    this.score = score;
    this.network = network;
    this.architecture = architecture;
  }

  @Override
  Work work(Tokens text, int width, int height) {
    return new Work(
        2,
        architecture.imageTokens() + architecture.textTokens(text.length()),
        architecture.imageFlops()
            + architecture.textFlops(text.length())
            + architecture.compareFlops());
  }

  @Override
  void prepareTexts(Map<String, Tokens> batch) {
    List<Map.Entry<String, Tokens>> missing = new ArrayList<>();
    synchronized (embeddings) {
      for (Map.Entry<String, Tokens> text : batch.entrySet()) {
        if (embeddings.get(text.getKey()) == null) {
          missing.add(text);
        }
      }
    }
    RowExecutor.map(
        device(),
        missing,
        text -> {
          float[] unit = network.embedText(text.getValue());
          synchronized (embeddings) {
            embeddings.put(text.getKey(), unit);
          }
          return unit;
        });
  }

  private float[] embedding(Row<float[]> row) {
    synchronized (embeddings) {
      float[] held = embeddings.get(row.prompt());
      if (held != null) {
        return held;
      }
    }
    return network.embedText(row.text()); // more prompts in one batch than are held
  }

  @Override
  List<Verdict> judge(List<Row<float[]>> batch) {
    int n = batch.size();
    float[] texts = new float[n * architecture.projection()];
    for (int i = 0; i < n; i++) {
      float[] text = embedding(batch.get(i));
      System.arraycopy(text, 0, texts, i * text.length, text.length);
    }
    float[][] scores;
    try (TorchTensor images = network.embedImages(pixels(batch), n, architecture.imageSize())) {
      scores = network.compare(images, texts);
    }
    List<Verdict> verdicts = new ArrayList<>();
    for (int i = 0; i < n; i++) {
      double cosine = scores[0][i];
      double logit = scores[1][i];
      verdicts.add(
          verdict(score.value(cosine, logit), batch.get(i).text(), score.parts(cosine, logit)));
    }
    return verdicts;
  }

  @Override
  public List<float[]> features(List<RgbImage> images) {
    return RowExecutor.map(
        device(),
        images,
        image -> {
          try (TorchTensor unit =
              network.embedImages(prepare(image), 1, architecture.imageSize())) {
            return unit.toFloats();
          }
        });
  }

  @Override
  void closeNetwork() {
    network.close();
  }
}
