package org.espalier.search.beam;

import org.espalier.api.AutoInt;
import org.espalier.api.Ranges;

/**
 * Parameters of particle steering.
 *
 * @param particles size of the population, positive, or {@code auto} (default): as many as the
 *     budget affords
 * @param potential {@code max} (default), {@code add} or {@code diff}
 * @param lambda weight of a unit of score, positive; default 10. It is as large as the verifier's
 *     scores are small
 * @param interval steps between resamplings, positive; default 3
 * @param from first number of steps taken after which particles are scored, positive; default 1
 * @param essThreshold resample only if the effective sample size is below this share of the
 *     particles, in [0, 1]; default 0.5; 1 resamples always
 * @param resampling {@code systematic} (default) or {@code multinomial}
 */
public record ParticleSearchConfig(
    AutoInt particles,
    Potential potential,
    Double lambda,
    Integer interval,
    Integer from,
    Double essThreshold,
    Resampling resampling) {
  public ParticleSearchConfig {
    particles =
        particles == null
            ? AutoInt.AUTO
            : particles.requirePositive("number of particles", "strategy.particles");
    potential = potential == null ? Potential.MAX : potential;
    lambda = Ranges.between(1e-6, 1e6, lambda == null ? 10.0 : lambda, "lambda", "strategy.lambda");
    interval = Ranges.atLeast(1, interval == null ? 3 : interval, "interval", "strategy.interval");
    from = Ranges.atLeast(1, from == null ? 1 : from, "first scored step", "strategy.from");
    essThreshold =
        Ranges.between(
            0,
            1,
            essThreshold == null ? 0.5 : essThreshold,
            "ESS threshold",
            "strategy.essThreshold");
    resampling = resampling == null ? Resampling.SYSTEMATIC : resampling;
  }

  /** All by default. */
  public static ParticleSearchConfig defaults() {
    return new ParticleSearchConfig(
        AutoInt.AUTO, Potential.MAX, 10.0, 3, 1, 0.5, Resampling.SYSTEMATIC);
  }
}
