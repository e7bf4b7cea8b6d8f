package org.espalier.search.beam;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ResamplingTest {
  private static final double INFINITE = Double.POSITIVE_INFINITY;

  /** A finite score near the limit of double times a factor: before, such weights were NaN. */
  @Test
  void infiniteWeightsShareAlike() {
    assertThat(Resampling.normalise(new double[] {INFINITE, 0, INFINITE, 1e308}))
        .containsExactly(0.5, 0, 0.5, 0);
    assertThat(Resampling.normalise(new double[] {1e308, -1e308})).containsExactly(1, 0);
  }

  @Test
  void aWeightThatWasZeroStaysSo() {
    double lost = -INFINITE + INFINITE;
    assertThat(Resampling.normalise(new double[] {lost, 0, 0})).containsExactly(0, 0.5, 0.5);
    assertThat(Resampling.normalise(new double[] {lost, -INFINITE})).isNull();
  }

  @Test
  void ordinaryWeightsAreTheirShares() {
    assertThat(Resampling.normalise(new double[] {Math.log(1), Math.log(3)}))
        .usingComparatorWithPrecision(1e-15)
        .containsExactly(0.25, 0.75);
  }
}
