package org.espalier.spi;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.api.Verdict;
import org.espalier.compute.Cost;

/**
 * Scores images against prompts. Higher is better. Verdicts come in the order of the judgements,
 * each as it would be alone; an image that cannot be judged gets {@link Verdict.Failed} and does
 * not fail its batch. At most {@link VerifierCard#concurrency} calls run at once.
 *
 * <p><b>When something fails.</b> An image that this verifier will never judge is {@link
 * Verdict.Failed}: the search goes on, and the record counts it. What may work a moment later (a
 * server that is busy, a timeout) is thrown as a {@link TransientFailure}: the engine waits and
 * calls again, so a verifier contains no retry of its own. What will not pass without somebody's
 * help (no server, a wrong key) is thrown as an {@link org.espalier.api.EspalierException} with the
 * code RESOURCE: it ends the study, which resumes where it was.
 */
public interface Verifier extends AutoCloseable {
  /** What the verifier is. */
  VerifierCard card();

  /**
   * The cost of judging: exact, or an upper bound where the card says that its costs are estimated.
   * Pure; must not read the images' pixels.
   *
   * @param prompt the prompt of the images; its length may matter
   * @param width of the images in pixels
   * @param height of the images in pixels
   * @param images how many
   */
  Cost quote(Prompt prompt, int width, int height, int images);

  /**
   * Why this verifier cannot judge images of a prompt at all, such as that its metadata lack what
   * it checks; asked before a study starts. By default there is no such prompt.
   *
   * @param prompt what images should show
   * @return a sentence that says what is missing, or empty
   */
  default Optional<String> unsupported(Prompt prompt) {
    return Optional.empty();
  }

  /**
   * Whether this verifier can judge images of a prompt.
   *
   * @param prompt what images should show
   */
  default boolean supports(Prompt prompt) {
    return unsupported(prompt).isEmpty();
  }

  /**
   * Judges images. Must not change them: all verifiers of a search are handed the same image.
   *
   * @param batch what to judge
   * @throws TransientFailure if it may work a moment later
   */
  List<Verdict> verify(List<Judgement> batch);

  /**
   * Judges images, and says of each verdict which image it is on. What the engine calls; by default
   * {@link #verify}, whose order it trusts. A verifier whose verdicts arrive in another order, such
   * as a served one, joins them here.
   *
   * @param batch what to judge; candidate ids differ
   * @return a verdict for each candidate id
   * @throws TransientFailure if it may work a moment later
   */
  default Map<String, Verdict> verifyById(List<Judgement> batch) {
    List<Verdict> verdicts = new ArrayList<>(verify(batch));
    if (verdicts.size() != batch.size() || verdicts.stream().anyMatch(Objects::isNull)) {
      throw new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          "The plugin (%s) answered the call verify with %d results instead of %d, or with a null."
              .formatted(card().id(), verdicts.size(), batch.size()),
          "Maybe answer with Verdict.Failed where an image cannot be judged.");
    }
    Map<String, Verdict> byCandidate = new LinkedHashMap<>();
    for (int i = 0; i < verdicts.size(); i++) {
      byCandidate.put(batch.get(i).candidateId(), verdicts.get(i));
    }
    return byCandidate;
  }

  /** Work done since the verifier was loaded. */
  WorkCounters counters();

  @Override
  void close();
}
