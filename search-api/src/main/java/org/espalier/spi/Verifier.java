package org.espalier.spi;

import java.util.List;
import org.espalier.api.Prompt;
import org.espalier.api.Verdict;
import org.espalier.compute.Cost;

/**
 * Scores images against prompts. Higher is better. Verdicts come in the order of the judgements,
 * each as it would be alone; an image that cannot be judged gets {@link Verdict.Failed} and does
 * not fail its batch. Called by one thread at a time.
 */
public interface Verifier extends AutoCloseable {
  /** What the verifier is. */
  VerifierCard card();

  /**
   * The exact cost of judging. Pure; must not read the images' pixels.
   *
   * @param prompt the prompt of the images; its length may matter
   * @param width of the images in pixels
   * @param height of the images in pixels
   * @param images how many
   */
  Cost quote(Prompt prompt, int width, int height, int images);

  /**
   * Judges images.
   *
   * @param batch what to judge
   */
  List<Verdict> verify(List<Judgement> batch);

  /** Work done since the verifier was loaded. */
  WorkCounters counters();

  @Override
  void close();
}
