package org.espalier.search.beam;

import org.espalier.api.AutoInt;
import org.espalier.api.Ranges;

/**
 * Parameters of beam search.
 *
 * @param width prefixes kept after each step, positive; default 3
 * @param candidates children a prefix, positive, or {@code auto} (default): as many as the budget
 *     affords for the whole search, at least 2; what is left over draws further independent samples
 * @param searchedSteps steps at which prefixes are selected, counted from the first; all by default
 *     ({@code auto}), but fewer where candidates are automatic and the budget does not hold 2 at
 *     every step; after them the population is followed to its end
 * @param preview how prefixes are judged; default {@code rollout}
 * @param lookahead steps rolled out with {@code preview: lookahead}, positive; default 2
 * @param partialFrom with {@code preview: partial}, the first number of steps taken at which
 *     prefixes are judged, positive; until then {@code width * candidates} samples advance
 *     unjudged. Default 1
 * @param answer which image is the answer; default {@code best}
 */
public record BeamSearchConfig(
    Integer width,
    AutoInt candidates,
    AutoInt searchedSteps,
    Preview preview,
    Integer lookahead,
    Integer partialFrom,
    Answer answer) {
  public BeamSearchConfig {
    width = Ranges.atLeast(1, width == null ? 3 : width, "beam width", "strategy.width");
    candidates =
        candidates == null
            ? AutoInt.AUTO
            : candidates.requirePositive("number of candidates", "strategy.candidates");
    searchedSteps =
        searchedSteps == null
            ? AutoInt.AUTO
            : searchedSteps.requirePositive("number of searched steps", "strategy.searchedSteps");
    preview = preview == null ? Preview.ROLLOUT : preview;
    lookahead =
        Ranges.atLeast(1, lookahead == null ? 2 : lookahead, "lookahead", "strategy.lookahead");
    partialFrom =
        Ranges.atLeast(
            1, partialFrom == null ? 1 : partialFrom, "first judged step", "strategy.partialFrom");
    answer = answer == null ? Answer.BEST : answer;
  }

  /** Width 3, the rest by default. */
  public static BeamSearchConfig defaults() {
    return of(3, AutoInt.AUTO, Preview.ROLLOUT);
  }

  /**
   * With the defaults for the rest.
   *
   * @param width prefixes kept after each step
   * @param candidates children a prefix
   * @param preview how prefixes are judged
   */
  public static BeamSearchConfig of(int width, AutoInt candidates, Preview preview) {
    return new BeamSearchConfig(width, candidates, AutoInt.AUTO, preview, 2, 1, Answer.BEST);
  }
}
