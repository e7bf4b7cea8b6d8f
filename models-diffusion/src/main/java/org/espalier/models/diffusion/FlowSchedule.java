package org.espalier.models.diffusion;

/**
 * The times at which a flow is evaluated, from 1 (noise) down to 0 (image).
 *
 * <p>Even times are shifted towards noise by a factor f: {@code t -> f / (f + 1/t - 1)}. FLUX.1 dev
 * lets the factor grow with the number of image tokens n: {@code f = exp(mu)}, where mu is the line
 * through (256, 0.5) and (4096, 1.15) (<a
 * href="https://github.com/black-forest-labs/flux/blob/main/src/flux/sampling.py">get_schedule</a>,
 * after <a href="https://arxiv.org/abs/2403.03206">Esser et al. 2024</a>).
 */
final class FlowSchedule {
  private FlowSchedule() {}

  /**
   * Shifted times.
   *
   * @param steps how many steps, positive
   * @param shift the factor, positive; 1 for even steps
   * @return {@code steps + 1} times, strictly decreasing from 1 to 0
   */
  static double[] times(int steps, double shift) {
    double[] times = new double[steps + 1];
    for (int i = 0; i < steps; i++) {
      double t = 1 - i / (double) steps;
      times[i] = shifted(t, shift);
    }
    return times;
  }

  /**
   * The factor that FLUX.1 dev was trained for.
   *
   * @param imageTokens latent patches of an image
   */
  static double resolutionShift(int imageTokens) {
    double slope = (1.15 - 0.5) / (4096 - 256);
    return Math.exp(0.5 + slope * (imageTokens - 256));
  }

  /**
   * The factor of FLUX.2, by image tokens and steps (<a
   * href="https://github.com/black-forest-labs/flux2/blob/main/src/flux2/sampling.py">compute_empirical_mu</a>):
   * lines through measured optima at 10 and at 200 steps, between which it is interpolated, and
   * beyond 4300 tokens the latter.
   *
   * @param imageTokens latent patches of an image
   * @param steps how many steps
   */
  static double empiricalShift(int imageTokens, int steps) {
    double many = 0.00016927 * imageTokens + 0.45666666;
    if (imageTokens > 4300) {
      return Math.exp(many);
    }
    double few = 8.73809524e-05 * imageTokens + 1.89833333;
    double slope = (many - few) / 190;
    return Math.exp(slope * steps + many - 200 * slope);
  }

  /**
   * Times of SD3's published pipeline, which shifts twice: the even range ends at the shifted
   * 1/1000 rather than at 1/steps, and is shifted again.
   *
   * @param steps how many steps, positive
   * @param shift the factor; 3 in SD3
   */
  static double[] twiceShifted(int steps, double shift) {
    double last = shifted(0.001, shift);
    double[] times = new double[steps + 1];
    for (int i = 0; i < steps; i++) {
      double even = steps == 1 ? 1 : 1 + (last - 1) * i / (steps - 1);
      times[i] = shifted(even, shift);
    }
    return times;
  }

  /**
   * Times of the scheduler that SANA was published with: even ones from .999 down, shifted.
   *
   * @param steps how many steps, positive
   * @param shift the factor; 3 in SANA
   */
  static double[] almostFromOne(int steps, double shift) {
    double[] times = new double[steps + 1];
    for (int i = 0; i < steps; i++) {
      times[i] = shifted(0.999 * (steps - i) / steps, shift);
    }
    return times;
  }

  private static double shifted(double t, double shift) {
    return shift / (shift + (1 / t - 1));
  }
}
