package org.espalier.search.beam;

import java.util.List;
import org.espalier.api.AutoInt;

/**
 * Parameters of greedy token optimisation.
 *
 * @param candidates continuations tried at each step, positive, or {@code auto} (default)
 * @param searchedSteps steps that are searched, counted from the first; all by default ({@code
 *     auto})
 * @param preview how prefixes are judged; default {@code rollout}, as published
 * @param lookahead steps rolled out with {@code preview: lookahead}, positive; default 2
 * @param partialFrom with {@code preview: partial}, the first number of steps taken at which
 *     prefixes are judged; default 1
 * @param answer which image is the answer; default {@code best}
 * @param elite whether the finished image of the kept prefix stays a candidate, as for beam
 * @param at decision points, as for beam
 */
public record GreedySearchConfig(
    AutoInt candidates,
    AutoInt searchedSteps,
    Preview preview,
    Integer lookahead,
    Integer partialFrom,
    Answer answer,
    Boolean elite,
    List<Integer> at) {
  public GreedySearchConfig {
    BeamSearchConfig beam =
        new BeamSearchConfig(
            1, candidates, searchedSteps, preview, lookahead, partialFrom, answer, elite, at);
    candidates = beam.candidates();
    searchedSteps = beam.searchedSteps();
    preview = beam.preview();
    lookahead = beam.lookahead();
    partialFrom = beam.partialFrom();
    answer = beam.answer();
    elite = beam.elite();
    at = beam.at();
  }

  /** Every searched step is a decision point, and no elite is kept. */
  public GreedySearchConfig(
      AutoInt candidates,
      AutoInt searchedSteps,
      Preview preview,
      Integer lookahead,
      Integer partialFrom,
      Answer answer) {
    this(candidates, searchedSteps, preview, lookahead, partialFrom, answer, false, List.of());
  }

  BeamSearchConfig beam() {
    return new BeamSearchConfig(
        1, candidates, searchedSteps, preview, lookahead, partialFrom, answer, elite, at);
  }
}
