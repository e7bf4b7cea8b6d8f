package org.espalier.noise;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.espalier.api.DrawKey;
import org.espalier.api.Noise;
import org.junit.jupiter.api.Test;

class KeyedNoiseTest {
  private static final DrawKey KEY = DrawKey.root(3);
  private static final Noise PIVOT = new Noise.Keyed(KEY.child("pivot"));
  private static final DrawKey DIRECTION = KEY.child("direction");

  private static double mean(float[] values) {
    return IntStream.range(0, values.length).mapToDouble(i -> values[i]).average().orElseThrow();
  }

  private static double meanProduct(float[] a, float[] b) {
    return IntStream.range(0, a.length).mapToDouble(i -> a[i] * b[i]).average().orElseThrow();
  }

  @Test
  void isAPureFunctionOfNoiseAndStep() {
    float[] first = KeyedNoise.gaussian(PIVOT, 4, 100);
    assertThat(KeyedNoise.gaussian(PIVOT, 4, 100)).isEqualTo(first);
    assertThat(KeyedNoise.gaussian(PIVOT, 4, 40)).isEqualTo(Arrays.copyOf(first, 40));
    assertThat(KeyedNoise.gaussian(PIVOT, 5, 100)).isNotEqualTo(first);
    assertThat(KeyedNoise.gaussian(new Noise.Keyed(DIRECTION), 4, 100)).isNotEqualTo(first);
    float[] uniform = KeyedNoise.uniform(PIVOT, 4, 100);
    assertThat(KeyedNoise.uniform(PIVOT, 4, 40)).isEqualTo(Arrays.copyOf(uniform, 40));
  }

  /** Golden numbers: a change of the generator would silently change every study. */
  @Test
  void staysTheSameForEver() {
    assertThat(KeyedNoise.uniform(new Noise.Keyed(new DrawKey(1, 2)), 0, 3))
        .containsExactly(GOLDEN_UNIFORM);
    assertThat(KeyedNoise.gaussian(new Noise.Keyed(new DrawKey(1, 2)), 0, 3))
        .containsExactly(GOLDEN_GAUSSIAN);
  }

  private static final float[] GOLDEN_UNIFORM = {0.3823278f, 0.3237676f, 0.020911932f};
  private static final float[] GOLDEN_GAUSSIAN = {0.8463656f, -1.1970581f, 0.27038398f};

  @Test
  void hasTheRightMoments() {
    int n = 200_000;
    float[] gaussian = KeyedNoise.gaussian(PIVOT, 0, n);
    assertThat(mean(gaussian)).isCloseTo(0, within(0.01));
    assertThat(meanProduct(gaussian, gaussian)).isCloseTo(1, within(0.02));
    float[] uniform = KeyedNoise.uniform(PIVOT, 0, n);
    assertThat(mean(uniform)).isCloseTo(0.5, within(0.005));
    assertThat(meanProduct(uniform, uniform)).isCloseTo(1 / 3., within(0.005));
    for (float u : uniform) {
      assertThat(u).isBetween(0f, Math.nextDown(1f));
    }
  }

  @Test
  void blendsGaussianNoiseByRotation() {
    int n = 200_000;
    float[] pivot = KeyedNoise.gaussian(PIVOT, 1, n);
    float[] near = KeyedNoise.gaussian(new Noise.Blend(PIVOT, DIRECTION, 0.6), 1, n);
    assertThat(meanProduct(near, near)).isCloseTo(1, within(0.02));
    assertThat(meanProduct(near, pivot)).isCloseTo(0.8, within(0.02));
    assertThat(KeyedNoise.gaussian(new Noise.Blend(PIVOT, DIRECTION, 0), 1, n)).isEqualTo(pivot);
    assertThat(KeyedNoise.gaussian(new Noise.Blend(PIVOT, DIRECTION, 1), 1, n))
        .isEqualTo(KeyedNoise.gaussian(new Noise.Keyed(DIRECTION), 1, n));
  }

  @Test
  void blendsUniformNoiseByWholeTokens() {
    int tokens = 20_000;
    int group = 4;
    float[] pivot = KeyedNoise.uniform(PIVOT, 1, tokens * group, group);
    float[] direction = KeyedNoise.uniform(new Noise.Keyed(DIRECTION), 1, tokens * group, group);
    float[] near =
        KeyedNoise.uniform(new Noise.Blend(PIVOT, DIRECTION, 0.3), 1, tokens * group, group);
    int redrawn = 0;
    for (int t = 0; t < tokens; t++) {
      float[] token = Arrays.copyOfRange(near, t * group, (t + 1) * group);
      boolean kept = Arrays.equals(token, Arrays.copyOfRange(pivot, t * group, (t + 1) * group));
      if (!kept) {
        redrawn++;
        assertThat(token).isEqualTo(Arrays.copyOfRange(direction, t * group, (t + 1) * group));
      }
    }
    assertThat(redrawn / (double) tokens).isCloseTo(0.3, within(0.02));
    assertThat(KeyedNoise.uniform(new Noise.Blend(PIVOT, DIRECTION, 0), 1, 40, 4))
        .isEqualTo(Arrays.copyOf(pivot, 40));
    assertThat(KeyedNoise.uniform(new Noise.Blend(PIVOT, DIRECTION, 1), 1, 40, 4))
        .isEqualTo(Arrays.copyOf(direction, 40));
  }

  @Test
  void modeIsZeroNoiseAndHasNoUniformNumbers() {
    assertThat(KeyedNoise.gaussian(new Noise.Mode(), 0, 3)).containsExactly(0, 0, 0);
    assertThatThrownBy(() -> KeyedNoise.uniform(new Noise.Mode(), 0, 3))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void aMixHasUnitNormAndKeepsItsParts() {
    int n = 100_000;
    Noise other = new Noise.Keyed(DIRECTION);
    float[] first = KeyedNoise.gaussian(PIVOT, 2, n);
    Noise child = new Noise.Mix(List.of(PIVOT, other), List.of(3.0, -4.0));
    float[] mixed = KeyedNoise.gaussian(child, 2, n);
    assertThat(meanProduct(mixed, mixed)).isCloseTo(1, within(0.02));
    assertThat(meanProduct(mixed, first)).isCloseTo(0.6, within(0.02));
    Noise mirrored = new Noise.Mix(List.of(PIVOT), List.of(-7.0));
    assertThat(KeyedNoise.gaussian(mirrored, 2, n)[5]).isEqualTo(-first[5]);

    float[] left = KeyedNoise.uniform(PIVOT, 2, n, 4);
    float[] right = KeyedNoise.uniform(other, 2, n, 4);
    float[] tokens = KeyedNoise.uniform(child, 2, n, 4);
    int fromLeft = 0;
    for (int i = 0; i < n; i += 4) {
      boolean ours = tokens[i] == left[i];
      fromLeft += ours ? 1 : 0;
      for (int at = i; at < i + 4; at++) {
        assertThat(tokens[at]).isEqualTo(ours ? left[at] : 1 - 0x1p-24f - right[at]);
      }
    }
    assertThat(fromLeft * 4.0 / n).isCloseTo(0.36, within(0.02));
  }
}
