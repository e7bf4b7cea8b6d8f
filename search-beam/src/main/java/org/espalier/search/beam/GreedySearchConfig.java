package org.espalier.search.beam;

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
 */
public record GreedySearchConfig(
    AutoInt candidates,
    AutoInt searchedSteps,
    Preview preview,
    Integer lookahead,
    Integer partialFrom,
    Answer answer) {
  public GreedySearchConfig {
    BeamSearchConfig beam =
        new BeamSearchConfig(1, candidates, searchedSteps, preview, lookahead, partialFrom, answer);
    candidates = beam.candidates();
    searchedSteps = beam.searchedSteps();
    preview = beam.preview();
    lookahead = beam.lookahead();
    partialFrom = beam.partialFrom();
    answer = beam.answer();
  }

  BeamSearchConfig beam() {
    return new BeamSearchConfig(
        1, candidates, searchedSteps, preview, lookahead, partialFrom, answer);
  }
}
