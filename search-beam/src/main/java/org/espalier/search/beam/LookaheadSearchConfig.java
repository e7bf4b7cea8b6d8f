package org.espalier.search.beam;

import org.espalier.api.AutoInt;
import org.espalier.api.Ranges;

/**
 * Parameters of lookahead search.
 *
 * @param width prefixes kept after each step, positive; default 1
 * @param candidates children a prefix, positive, or {@code auto} (default)
 * @param steps steps rolled out before a prefix is judged, positive; default 2
 * @param answer which image is the answer; default {@code best}
 */
public record LookaheadSearchConfig(
    Integer width, AutoInt candidates, Integer steps, Answer answer) {
  public LookaheadSearchConfig {
    width = Ranges.atLeast(1, width == null ? 1 : width, "width", "strategy.width");
    candidates =
        candidates == null
            ? AutoInt.AUTO
            : candidates.requirePositive("number of candidates", "strategy.candidates");
    steps = Ranges.atLeast(1, steps == null ? 2 : steps, "lookahead", "strategy.steps");
    answer = answer == null ? Answer.BEST : answer;
  }
}
