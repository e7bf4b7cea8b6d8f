package org.espalier.search.beam;

/**
 * Least squares of the final score on the score of a preview, learned pair by pair, and from it an
 * optimistic bound and the chance of passing a goal.
 */
final class ScoreBound {
  private int n;
  private double meanX;
  private double meanY;
  private double sxx;
  private double sxy;
  private double syy;

  /** Of all previews, also of those whose end is not known. */
  private int seen;

  private double meanSeen;
  private double sumSeen;

  /** A preview has been seen. */
  void see(double preview) {
    seen++;
    double away = preview - meanSeen;
    meanSeen += away / seen;
    sumSeen += away * (preview - meanSeen);
  }

  /** The end of a sample whose preview has been seen. */
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

  /** Whether there is a line. */
  boolean known() {
    return n >= 3 && sxx > 0;
  }

  private double slope() {
    return sxy / sxx;
  }

  private double residual() {
    return Math.max(0, syy - slope() * sxy) / (n - 2);
  }

  private double predicted(double preview) {
    return meanY + slope() * (preview - meanX);
  }

  private double deviation(double preview) {
    double away = preview - meanX;
    return Math.sqrt(residual() * (1 + 1.0 / n + away * away / sxx));
  }

  /**
   * The predicted final score plus so many standard deviations of the prediction.
   *
   * @param preview score of the preview
   * @param optimism how many
   */
  double bound(double preview, double optimism) {
    return known() ? predicted(preview) + optimism * deviation(preview) : Double.POSITIVE_INFINITY;
  }

  /** The probability that a sample of this preview ends above a goal. */
  double chance(double preview, double goal) {
    return above((goal - predicted(preview)) / deviation(preview));
  }

  /** The probability that a sample of which nothing is known yet ends above a goal. */
  double chance(double goal) {
    // From all previews seen: those of samples that were dropped pull it down, as they should.
    double spread = slope() * slope() * (seen > 1 ? sumSeen / (seen - 1) : 0);
    return above((goal - predicted(meanSeen)) / Math.sqrt(residual() * (1 + 1.0 / n) + spread));
  }

  /** The upper tail of the normal distribution, within a tenth of itself. */
  private static double above(double deviations) {
    if (Double.isNaN(deviations)) {
      return 0.5;
    }
    double z = Math.abs(deviations);
    double tail = 0.5 * StrictMath.exp(-0.717 * z - 0.416 * z * z);
    return deviations > 0 ? tail : 1 - tail;
  }
}
