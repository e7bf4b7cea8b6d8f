package org.espalier.search.bestofn;

import org.espalier.api.AutoInt;
import org.espalier.api.Ranges;

/**
 * Parameters of zero-order noise search.
 *
 * @param neighbours samples drawn round the pivot in each iteration, positive; default 4
 * @param radius how far from the pivot, in (0, 1]: 0 would be the pivot, 1 is independent of it;
 *     default 0.4. A cosine of 0.95 between neighbour and pivot, as in public implementations, is a
 *     radius of 0.31
 * @param iterations rounds, positive, or {@code auto} (default): until the budget is spent
 */
public record ZeroOrderSearchConfig(Integer neighbours, Double radius, AutoInt iterations) {
  public ZeroOrderSearchConfig {
    neighbours =
        Ranges.atLeast(
            1, neighbours == null ? 4 : neighbours, "number of neighbours", "strategy.neighbours");
    radius = Ranges.above(0, 1, radius == null ? 0.4 : radius, "radius", "strategy.radius");
    iterations =
        iterations == null
            ? AutoInt.AUTO
            : iterations.requirePositive("number of iterations", "strategy.iterations");
  }
}
