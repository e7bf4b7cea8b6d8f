package org.espalier.search.beam;

import org.espalier.api.AutoInt;
import org.espalier.api.Ranges;

/**
 * Parameters of SVDD.
 *
 * @param candidates children of each particle at each step, positive, or {@code auto} (default): as
 *     many as the budget affords
 * @param particles lines that are followed side by side, positive; default 1
 * @param temperature of the choice among the children: 0 (default) takes the best, larger values
 *     draw in proportion to {@code exp(score / temperature)}; in [0, 1000]
 * @param from first number of steps taken after which children are chosen, positive; until then
 *     {@code particles * candidates} samples advance unjudged. Default 1
 */
public record SvddSearchConfig(
    AutoInt candidates, Integer particles, Double temperature, Integer from) {
  public SvddSearchConfig {
    candidates =
        candidates == null
            ? AutoInt.AUTO
            : candidates.requirePositive("number of candidates", "strategy.candidates");
    particles =
        Ranges.atLeast(
            1, particles == null ? 1 : particles, "number of particles", "strategy.particles");
    temperature =
        Ranges.between(
            0, 1000, temperature == null ? 0 : temperature, "temperature", "strategy.temperature");
    from = Ranges.atLeast(1, from == null ? 1 : from, "first step of choice", "strategy.from");
  }
}
