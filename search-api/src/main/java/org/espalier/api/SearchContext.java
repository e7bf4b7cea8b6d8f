package org.espalier.api;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The one gate between a strategy and everything that costs. Confined to one thread. Verbs are
 * batched, keep the order of their arguments and are all-or-nothing: a refused call has charged and
 * changed nothing; a failed call has changed nothing, and the work it did before it failed stays
 * charged. {@link #sample} alone keeps what it has finished where its time ends.
 *
 * <p>Every charged verb may throw {@link BudgetExhaustedException} before doing any work. The
 * engine holds back the cost of finishing one sample until an incumbent exists, so a search that
 * can afford one sample always answers with one.
 */
public interface SearchContext {
  /** The prompt searched for. */
  Prompt prompt();

  /** How many steps a complete sample has. */
  int horizon();

  /** What the model can do, for a strategy that makes use of more than its card requires. */
  Set<Capability> capabilities();

  /**
   * Whether children of a state at this step differ by their draws. False everywhere for an ODE
   * sampler, whose only noise is the root's; false at the last step of an SDE sampler.
   *
   * @param step from 0 to horizon - 1
   */
  boolean isStochastic(int step);

  /** What may still be spent. */
  BudgetView budget();

  /** What verbs would cost: pure, exact upper bounds. */
  Quotes quotes();

  /**
   * The only legal randomness: a key that depends on the study's seed, the prompt and the purpose
   * alone. {@code stream("sample").child(i)} is by convention the i-th independent sample, so that
   * strategies are compared on common random numbers.
   *
   * @param purpose what the noise is for
   */
  DrawKey stream(String purpose);

  /**
   * Starts trajectories at step 0.
   *
   * @param draws one per trajectory; anything but {@link Draw.Follow}
   */
  List<Trajectory> begin(List<? extends Draw> draws);

  /**
   * One network evaluation per parent, one child per draw; parents are not consumed. Expanding a
   * parent again reuses its evaluation.
   *
   * @param batch parents below the horizon
   * @return for each parent its children, in order
   */
  List<List<Trajectory>> expand(List<Expansion> batch);

  /**
   * Re-noises trajectories to earlier steps. Needs {@link Capability#REWIND}.
   *
   * @param batch what to re-noise
   */
  List<Trajectory> rewind(List<Rewind> batch);

  /**
   * Rolls trajectories out to the end with {@link Draw.Follow}; complete ones are returned as they
   * are. Intermediate states are freed as soon as they are not needed.
   *
   * @param batch trajectories at any step
   */
  List<Trajectory> complete(List<Trajectory> batch);

  /**
   * Decodes (complete trajectories) or previews (incomplete ones, needs {@link Capability#PREVIEW})
   * and scores. Complete trajectories scored by {@link VerifierRole#SEARCH} compete for the
   * incumbent one by one, in their order.
   *
   * @param role which verifier
   * @param batch what to score
   */
  List<Candidate> verify(VerifierRole role, List<Trajectory> batch);

  /**
   * Takes whole samples: begins each, rolls it out, has the search verifier judge it and offers it
   * to the incumbent, as if one after the other. The engine takes as many together as its batch
   * holds and frees each as soon as it is judged, so that thousands take no more memory than a few;
   * the trajectories of the result can be looked at but not used any further.
   *
   * <p>The call is refused as a whole where the budget does not hold all of them. Where the time
   * that a cap allows ends on the way, the samples that were judged stay and the rest is refused.
   *
   * @param draws one per sample; anything but {@link Draw.Follow}
   * @return a candidate for each, in order
   */
  List<Candidate> sample(List<? extends Draw> draws);

  /**
   * Descriptors of what trajectories show, for methods that look at diversity: the image (of an
   * incomplete trajectory the preview, which needs {@link Capability#PREVIEW}) averaged over a grid
   * of 8 x 8 cells, row-major, three channels a cell from 0 to 1: 192 numbers. Costs the decoding,
   * which a later {@link #verify} of the same trajectory then has for free.
   *
   * @param batch what to describe
   */
  List<float[]> features(List<Trajectory> batch);

  /**
   * Drops every live trajectory of this search but these. The engine frees what nothing needs.
   *
   * @param keep the survivors
   */
  void retainOnly(Collection<Trajectory> keep);

  /** The best complete sample verified so far; ties go to the earlier one. */
  Optional<Candidate> incumbent();

  /**
   * The incumbent, as the usual answer of a strategy.
   *
   * @throws EspalierException NATIVE if no verdict so far was a score
   */
  default Candidate answer() {
    return incumbent()
        .orElseThrow(
            () ->
                new EspalierException(
                    EspalierException.Code.NATIVE,
                    "The search for the prompt (%s) has no verified sample: every verdict failed."
                        .formatted(prompt().id()),
                    "Maybe look at the reasons in the tree log."));
  }

  /**
   * Notes facts (uct, weight, ess, a prune reason's numbers) in the tree log. Free.
   *
   * @param trajectory the node
   * @param facts finite numbers by name
   */
  void annotate(Trajectory trajectory, Map<String, Double> facts);

  /**
   * Notes in the tree log why trajectories are given up. Free; does not drop them.
   *
   * @param trajectories the nodes
   * @param reason a short phrase, for example "below top 3"
   */
  void prune(Collection<Trajectory> trajectories, String reason);
}
