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
      times[i] = shift / (shift + (1 / t - 1));
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
}
