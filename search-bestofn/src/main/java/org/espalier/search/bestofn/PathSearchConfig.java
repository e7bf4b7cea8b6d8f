package org.espalier.search.bestofn;

import org.espalier.api.AutoInt;
import org.espalier.api.EspalierException;
import org.espalier.api.Ranges;
import org.jspecify.annotations.Nullable;

/**
 * Parameters of search over paths. Steps count as the model counts them: 0 is pure noise.
 *
 * @param paths trajectories kept, positive; default 2
 * @param forks re-noised forks a path, positive, or {@code auto} (default): as many as the budget
 *     affords for the whole search
 * @param start the share of all steps at which forking begins, in (0, 1]; default 0.4
 * @param back steps of noise added to a fork, positive; default 1
 * @param forward steps a fork is denoised before it is judged, more than {@code back}; left out
 *     (default): so that a round gains a fifteenth of all steps, at least one
 */
public record PathSearchConfig(
    Integer paths, AutoInt forks, Double start, Integer back, @Nullable Integer forward) {
  public PathSearchConfig {
    paths = Ranges.atLeast(1, paths == null ? 2 : paths, "number of paths", "strategy.paths");
    forks =
        forks == null ? AutoInt.AUTO : forks.requirePositive("number of forks", "strategy.forks");
    start = Ranges.above(0, 1, start == null ? 0.4 : start, "start", "strategy.start");
    back = Ranges.atLeast(1, back == null ? 1 : back, "steps of noise added", "strategy.back");
    if (forward != null && forward <= back) {
      throw EspalierException.config(
              "The steps denoised (%d) must be more than the steps of noise added (%d), or no fork would arrive."
                  .formatted(forward, back),
              "Maybe set strategy.forward >= %d.".formatted(back + 1))
          .about("forward");
    }
  }

  /** Steps a fork of a model of so many steps is denoised. */
  int forwardOf(int horizon) {
    return forward != null ? forward : back + Math.max(1, Math.round(horizon / 15f));
  }
}
