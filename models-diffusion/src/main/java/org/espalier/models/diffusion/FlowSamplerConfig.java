package org.espalier.models.diffusion;

import java.util.List;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * How a flow is integrated. Components left out take the model's own values.
 *
 * @param kind {@code ode} (Euler; stochastic at the root only), {@code sde} (the linear
 *     interpolant's SDE with the same marginals) or {@code vp-sde} (after conversion to the
 *     variance-preserving interpolant, <a href="https://arxiv.org/abs/2503.19385">Kim et al.
 *     2025</a>), or {@code dpm++} (DPM-Solver++ of second order over two steps; stochastic at the
 *     root only); default {@code ode}, for SANA {@code dpm++} as published
 * @param steps network evaluations a sample, positive
 * @param shift a fixed factor by which noisy times are favoured, {@code t -> shift t / (1 + (shift
 *     - 1) t)}, positive; 1 spaces times evenly. Excludes {@code resolutionShift}
 * @param resolutionShift whether the factor grows with the number of image tokens, as FLUX.1 dev
 *     wants it
 * @param noiseScale the factor k of the diffusion coefficient {@code g(t) = k t^2} of the SDEs, not
 *     negative; 0 gives the ODE; default 3, as published
 */
public record FlowSamplerConfig(
    @Nullable String kind,
    @Nullable Integer steps,
    @Nullable Double shift,
    @Nullable Boolean resolutionShift,
    @Nullable Double noiseScale) {
  /** The samplers there are. */
  static final List<String> KINDS = List.of("ode", "sde", "vp-sde", "dpm++");

  /** All left to the model. */
  static final FlowSamplerConfig DEFAULT = new FlowSamplerConfig(null, null, null, null, null);

  public FlowSamplerConfig {
    if (kind != null && !KINDS.contains(kind)) {
      throw EspalierException.config(
              "The sampler (" + kind + ") is not known.",
              "Maybe set sampler.kind to one of " + String.join(", ", KINDS) + ".")
          .about("kind");
    }
    if (steps != null && steps < 1) {
      throw EspalierException.config(
              "The number of sampling steps (" + steps + ") must be positive.",
              "Maybe set sampler.steps >= 1; 30 is usual, 4 for schnell.")
          .about("steps");
    }
    if (shift != null && !(shift > 0 && shift <= 1000)) {
      throw EspalierException.config(
              "The shift of the time schedule (" + shift + ") must lie in (0, 1000].",
              "Maybe set sampler.shift to 1 for even steps, 3 for more noisy ones.")
          .about("shift");
    }
    if (shift != null && Boolean.TRUE.equals(resolutionShift)) {
      throw EspalierException.config(
              "The sampler has both a fixed shift (" + shift + ") and a resolution-dependent one.",
              "Maybe remove sampler.shift or sampler.resolutionShift.")
          .about("shift");
    }
    if (noiseScale != null && !(noiseScale >= 0 && noiseScale <= 100)) {
      throw EspalierException.config(
              "The noise scale of the sampler (" + noiseScale + ") must lie in [0, 100].",
              "Maybe set sampler.noiseScale to 3.")
          .about("noiseScale");
    }
    if (noiseScale != null && noiseScale > 0 && (kind == null || !kind.endsWith("sde"))) {
      throw EspalierException.config(
              "The sampler %s adds no noise, but sampler.noiseScale is set (%s)."
                  .formatted(kind == null ? "ode" : kind, noiseScale),
              "Maybe set sampler.kind to sde or vp-sde.")
          .about("kind");
    }
  }
}
