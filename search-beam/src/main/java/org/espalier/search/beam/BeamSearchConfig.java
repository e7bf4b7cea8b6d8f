package org.espalier.search.beam;

import java.util.List;
import java.util.Locale;
import org.espalier.api.AutoInt;
import org.espalier.api.EspalierException;
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
 * @param elite whether the finished image of a kept prefix stays a candidate beside its new
 *     children, which costs nothing; only with {@code preview: rollout}; default false
 * @param at decision points: after how many steps prefixes are selected, increasing, such as {@code
 *     [3, 6, 8]}; between them samples advance alone. Every searched step by default. Not together
 *     with {@code searchedSteps} or {@code partialFrom}
 */
public record BeamSearchConfig(
    Integer width,
    AutoInt candidates,
    AutoInt searchedSteps,
    Preview preview,
    Integer lookahead,
    Integer partialFrom,
    Answer answer,
    Boolean elite,
    List<Integer> at) {
  public BeamSearchConfig {
    width = Ranges.atLeast(1, width == null ? 3 : width, "beam width", "strategy.width");
    candidates =
        candidates == null
            ? AutoInt.AUTO
            : candidates.requirePositive("number of candidates", "strategy.candidates");
    Ranges.product(
        width, candidates.orElse(() -> 1), "number of children of a step", "strategy.candidates");
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
    elite = elite != null && elite;
    at = at == null ? List.of() : List.copyOf(at);
    if (elite && preview != Preview.ROLLOUT) {
      throw EspalierException.config(
          "An elite needs finished images, which preview: %s does not make."
              .formatted(preview.name().toLowerCase(Locale.ROOT)),
          "Maybe set strategy.preview: rollout, or leave strategy.elite out.");
    }
    for (int i = 0; i < at.size(); i++) {
      if (at.get(i) < 1 || (i > 0 && at.get(i) <= at.get(i - 1))) {
        throw EspalierException.config(
            "The decision points %s are not positive and increasing.".formatted(at),
            "Maybe set strategy.at: [3, 6, 8].");
      }
    }
    if (!at.isEmpty() && (!searchedSteps.isAuto() || partialFrom != 1)) {
      throw EspalierException.config(
          "The decision points %s leave no room for searchedSteps or partialFrom.".formatted(at),
          "Maybe leave those two out: strategy.at says where prefixes are selected.");
    }
  }

  /** Every searched step is a decision point, and no elite is kept. */
  public BeamSearchConfig(
      Integer width,
      AutoInt candidates,
      AutoInt searchedSteps,
      Preview preview,
      Integer lookahead,
      Integer partialFrom,
      Answer answer) {
    this(
        width,
        candidates,
        searchedSteps,
        preview,
        lookahead,
        partialFrom,
        answer,
        false,
        List.of());
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
