package org.espalier.search.bestofn;

import org.espalier.api.AutoInt;
import org.espalier.api.EspalierException;

/**
 * Parameters of search over paths. Steps count as the model counts them: 0 is pure noise.
 *
 * @param paths trajectories kept, positive; default 2
 * @param forks re-noised forks a path, positive, or {@code auto} (default): as many as the budget
 *     affords for the whole search
 * @param start the share of all steps at which forking begins, in (0, 1]; default 0.4
 * @param back steps of noise added to a fork, positive; default 1
 * @param forward steps a fork is denoised before it is judged, more than {@code back}; default 3
 */
public record PathSearchConfig(
    Integer paths, AutoInt forks, Double start, Integer back, Integer forward) {
  public PathSearchConfig {
    paths = Checks.atLeast(1, paths == null ? 2 : paths, "number of paths", "paths");
    forks =
        forks == null ? AutoInt.AUTO : forks.requirePositive("number of forks", "strategy.forks");
    start = Checks.inside(0, 1, start == null ? 0.4 : start, "start", "start");
    back = Checks.atLeast(1, back == null ? 1 : back, "steps of noise added", "back");
    forward = forward == null ? Math.max(3, back + 1) : forward;
    if (forward <= back) {
      throw EspalierException.config(
          "The steps denoised (%d) must be more than the steps of noise added (%d), or no fork would arrive."
              .formatted(forward, back),
          "Maybe set strategy.forward >= %d.".formatted(back + 1));
    }
  }
}
