package org.espalier.spi;

import java.util.List;
import org.espalier.api.Prompt;
import org.espalier.compute.Cost;

/**
 * A generator seen as a step-wise sampler: scales of a next-scale autoregressive model, or
 * denoising steps of a flow. Batched calls keep the order of their arguments, are all-or-nothing
 * (on an exception every state made by the call has been closed) and give each row the result that
 * it would have alone. Called by one thread at a time.
 */
public interface GenerativeModel extends AutoCloseable {
  /** What the model is. */
  ModelCard card();

  /**
   * The exact cost of work: nfe by the published convention, and the rows, tokens and FLOPs by
   * which {@link #counters} will grow. Pure and deterministic; wall time is 0.
   *
   * @param work what would be done
   */
  Cost quote(Work work);

  /**
   * Encodes prompts.
   *
   * @param batch the prompts
   */
  List<Conditioning> encode(List<Prompt> batch);

  /**
   * Starts trajectories.
   *
   * @param batch roots, possibly of different prompts
   */
  List<ModelState> begin(List<Root> batch);

  /**
   * Takes one step: one network evaluation a branch, one child a draw. A branch expanded before
   * reuses its evaluation.
   *
   * @param batch states to expand, possibly at different steps
   * @return the children of each branch
   */
  List<List<ModelState>> expand(List<Branch> batch);

  /**
   * Re-noises states to earlier steps.
   *
   * @param batch what to re-noise
   * @throws UnsupportedOperationException without the capability REWIND
   */
  List<ModelState> rewind(List<RewindRow> batch);

  /**
   * Decodes states to images; incomplete states to previews. Where a preview needs the network (its
   * quote has rows), the evaluation is kept with the state, and expanding that state reuses it.
   *
   * @param batch states at any step from 1 on
   */
  List<Artifact> decode(List<DecodeRow> batch);

  /** Work done since the model was loaded, without what {@link #replayed} counts. */
  WorkCounters counters();

  /**
   * Evaluations that were repeated since the model was loaded, because memory did not suffice to
   * keep their results: nfe, rows, tokens and FLOPs. Such work repeats exactly what was charged
   * before, so it is accounted apart and never counts against a budget.
   */
  default Cost replayed() {
    return Cost.ZERO;
  }

  @Override
  void close();
}
