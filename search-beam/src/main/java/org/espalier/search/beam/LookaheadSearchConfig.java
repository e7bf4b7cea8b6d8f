package org.espalier.search.beam;

import java.util.List;
import org.espalier.api.AutoInt;
import org.espalier.api.Ranges;

/**
 * Parameters of lookahead search.
 *
 * @param width prefixes kept after each step, positive; default 1
 * @param candidates children a prefix, positive, or {@code auto} (default)
 * @param steps steps rolled out before a prefix is judged, positive; default 2
 * @param answer which image is the answer; default {@code best}
 * @param at decision points, as for beam
 */
public record LookaheadSearchConfig(
    Integer width, AutoInt candidates, Integer steps, Answer answer, List<Integer> at) {
  public LookaheadSearchConfig {
    width = Ranges.atLeast(1, width == null ? 1 : width, "width", "strategy.width");
    candidates =
        candidates == null
            ? AutoInt.AUTO
            : candidates.requirePositive("number of candidates", "strategy.candidates");
    Ranges.product(
        width, candidates.orElse(() -> 1), "number of children of a step", "strategy.candidates");
    steps = Ranges.atLeast(1, steps == null ? 2 : steps, "lookahead", "strategy.steps");
    answer = answer == null ? Answer.BEST : answer;
    at = at == null ? List.of() : List.copyOf(at);
  }

  /** Every step is a decision point. */
  public LookaheadSearchConfig(Integer width, AutoInt candidates, Integer steps, Answer answer) {
    this(width, candidates, steps, answer, List.of());
  }
}
