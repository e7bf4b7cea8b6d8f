package org.espalier.bench;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.function.LongSupplier;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.api.Verdict;
import org.espalier.spi.Artifact;
import org.espalier.spi.Judgement;
import org.espalier.spi.RgbImage;
import org.espalier.spi.Verifier;

/**
 * What judging costs, measured on this machine.
 *
 * @param id of the verifier
 * @param flops operations an image, exact
 * @param nanos time an image, by the number of images judged at once: 1, 8 and 32
 */
public record CostCard(String id, long flops, Map<Integer, Long> nanos) {
  /** The numbers of images judged at once. */
  public static final List<Integer> BATCHES = List.of(1, 8, 32);

  public CostCard {
    nanos = Map.copyOf(nanos);
  }

  /**
   * Measures a verifier: each batch once to warm up, then the best of several times, because
   * whatever else the machine does can only make it slower.
   *
   * @param verifier a loaded verifier
   * @param prompt what the images should show
   * @param width of the images in pixels
   * @param height of the images in pixels
   * @param repetitions how often each batch is timed; positive
   * @param clock a clock of nanoseconds, usually {@code System::nanoTime}
   */
  public static CostCard measure(
      Verifier verifier,
      Prompt prompt,
      int width,
      int height,
      int repetitions,
      LongSupplier clock) {
    if (repetitions < 1) {
      throw EspalierException.config(
          "The number of repetitions (" + repetitions + ") must be positive.", "Maybe use 5.");
    }
    Map<Integer, Long> nanos = new LinkedHashMap<>();
    for (int size : BATCHES) {
      List<Judgement> batch = batch(prompt, width, height, size);
      requireScores(verifier, batch);
      long best = Long.MAX_VALUE;
      for (int i = 0; i < repetitions; i++) {
        long start = clock.getAsLong();
        verifier.verify(batch);
        best = Math.min(best, clock.getAsLong() - start);
      }
      nanos.put(size, best / size);
    }
    return new CostCard(
        verifier.card().id(), verifier.quote(prompt, width, height, 1).verifierFlops(), nanos);
  }

  /**
   * Time an image.
   *
   * @param batch one of {@link #BATCHES}
   * @return seconds
   */
  public double seconds(int batch) {
    return Objects.requireNonNull(nanos.get(batch), "not timed") * 1e-9;
  }

  private static List<Judgement> batch(Prompt prompt, int width, int height, int size) {
    List<Judgement> batch = new ArrayList<>();
    for (int i = 0; i < size; i++) {
      byte[] rgb = new byte[Math.multiplyExact(3 * width, height)];
      new Random(i).nextBytes(rgb); // what is in the images makes no difference to the cost
      batch.add(new Judgement("image-" + i, prompt, Artifact.of(new RgbImage(width, height, rgb))));
    }
    return batch;
  }

  private static void requireScores(Verifier verifier, List<Judgement> batch) {
    for (Verdict verdict : verifier.verify(batch)) {
      if (verdict instanceof Verdict.Failed failed) {
        throw new EspalierException(
            EspalierException.Code.PLUGIN_CONTRACT,
            "The verifier "
                + verifier.card().id()
                + " cannot be timed, because it does not judge: "
                + failed.reason(),
            "Maybe use a prompt with the metadata that it needs.");
      }
    }
  }
}
