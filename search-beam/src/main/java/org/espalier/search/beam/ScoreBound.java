package org.espalier.search.beam;

/**
 * Least squares of the final score on the score of a preview, learned pair by pair, and from it an
 * optimistic bound.
 */
final class ScoreBound {
  private int n;
  private double meanX;
  private double meanY;
  private double sxx;
  private double sxy;
  private double syy;

  void learn(double preview, double end) {
    n++;
    double dx = preview - meanX;
    double dy = end - meanY;
    meanX += dx / n;
    meanY += dy / n;
    sxx += dx * (preview - meanX);
    sxy += dx * (end - meanY);
    syy += dy * (end - meanY);
  }

  int pairs() {
    return n;
  }

  /**
   * The predicted final score plus so many standard deviations of the prediction.
   *
   * @param preview score of the preview
   * @param optimism how many
   */
  double bound(double preview, double optimism) {
    if (n < 3 || sxx <= 0) {
      return Double.POSITIVE_INFINITY;
    }
    double slope = sxy / sxx;
    double residual = Math.max(0, syy - slope * sxy) / (n - 2);
    double away = preview - meanX;
    double deviation = Math.sqrt(residual * (1 + 1.0 / n + away * away / sxx));
    return meanY + slope * away + optimism * deviation;
  }
}
