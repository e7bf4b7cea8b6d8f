package org.espalier.verifiers;

import java.util.List;
import java.util.Map;
import org.espalier.spi.RgbImage;
import org.espalier.spi.VerifierCard;
import org.espalier.torch.Device;
import org.espalier.torch.TextTokenizer;
import org.espalier.torch.Tokens;
import org.jspecify.annotations.Nullable;

/** A verifier whose network reads one picture of a fixed size, and perhaps the prompt. */
abstract class PixelVerifier extends NetworkVerifier<float[]> {
  private static final Tokens NO_TEXT = new Tokens(new long[0], 0, false);

  /**
   * What such verifiers are made of besides their networks.
   *
   * @param transform prepares images
   * @param tokenizer reads prompts; null where they are not read
   * @param device where the network computes
   * @param weightsSha256 over all weights, hex
   * @param provenance of the weights
   */
  record Parts(
      ImageTransform transform,
      @Nullable TextTokenizer tokenizer,
      Device device,
      String weightsSha256,
      Provenance provenance) {
    /** Facts of a card, with those that all such verifiers state. */
    Map<String, String> facts(Map<String, String> own) {
      return provenance.facts(transform.sees(), own);
    }
  }

  private final Parts parts;
  private final VerifierCard card;

  PixelVerifier(Parts parts, VerifierCard card) {
    super(parts.device);
    this.parts = parts;
    this.card = card;
  }

  @Override
  public final VerifierCard card() {
    return card;
  }

  @Override
  final Tokens tokenize(String prompt) {
    TextTokenizer tokenizer = parts.tokenizer;
    return tokenizer == null ? NO_TEXT : tokenizer.encode(prompt);
  }

  @Override
  final float[] prepare(RgbImage image) {
    return parts.transform.apply(image);
  }

  /** The images of a batch, one after the other. */
  static float[] pixels(List<Row<float[]>> batch) {
    int length = batch.get(0).image().length;
    float[] pixels = new float[batch.size() * length];
    for (int i = 0; i < batch.size(); i++) {
      System.arraycopy(batch.get(i).image(), 0, pixels, i * length, length);
    }
    return pixels;
  }

  /** Closes the network. */
  abstract void closeNetwork();

  @Override
  public final void close() {
    try {
      closeNetwork();
    } finally {
      TextTokenizer tokenizer = parts.tokenizer;
      if (tokenizer != null) {
        tokenizer.close();
      }
    }
  }
}
