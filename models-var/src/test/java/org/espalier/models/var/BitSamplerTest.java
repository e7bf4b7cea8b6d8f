package org.espalier.models.var;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.espalier.api.DrawKey;
import org.espalier.api.Noise;
import org.junit.jupiter.api.Test;

class BitSamplerTest {
  private static final Noise NOISE = new Noise.Keyed(DrawKey.root(5));

  private static float[] logits(int bits, double one) {
    float[] logits = new float[2 * bits];
    for (int i = 0; i < bits; i++) {
      logits[2 * i] = 1;
      logits[2 * i + 1] = (float) (1 + Math.log(one / (1 - one)));
    }
    return logits;
  }

  private static double share(BitSampler.Drawn drawn) {
    double sum = 0;
    for (byte bit : drawn.bits()) {
      sum += bit;
    }
    return sum / drawn.bits().length;
  }

  @Test
  void drawsBitsAsOftenAsTheyAreProbable() {
    BitSampler sampler = new BitSampler(16, 0, 0);
    for (double one : new double[] {0.1, 0.5, 0.9}) {
      int n = 16 * 2000;
      BitSampler.Drawn drawn = sampler.draw(logits(n, one), NOISE, 2);
      assertThat(share(drawn)).isCloseTo(one, within(0.01));
      double expected =
          n * share(drawn) * Math.log(one) + n * (1 - share(drawn)) * Math.log(1 - one);
      assertThat(drawn.logProb()).isCloseTo(expected, within(1e-2));
    }
  }

  @Test
  void topPDropsImprobableOutcomes() {
    BitSampler sampler = new BitSampler(16, 0, 0.97);
    assertThat(share(sampler.draw(logits(1600, 0.98), NOISE, 0))).isEqualTo(1);
    assertThat(share(sampler.draw(logits(1600, 0.02), NOISE, 0))).isEqualTo(0);
    assertThat(sampler.draw(logits(1600, 0.98), NOISE, 0).logProb()).isZero();
    assertThat(share(sampler.draw(logits(1600, 0.95), NOISE, 0))).isLessThan(1);
    assertThat(share(new BitSampler(16, 2, 0).draw(logits(1600, 0.98), NOISE, 0))).isLessThan(1);
  }

  @Test
  void greedyAndModeTakeTheMoreProbable() {
    BitSampler sampler = new BitSampler(2, 0, 0);
    float[] logits = {0, 3, 2, -2, 1, 1, -300, 300};
    assertThat(sampler.draw(logits, new Noise.Mode(), 0).bits()).containsExactly(1, 0, 0, 1);
    assertThat(new BitSampler(2, 1, 0).draw(logits, NOISE, 0).bits()).containsExactly(1, 0, 0, 1);
    double expected =
        -Math.log1p(Math.exp(-3)) - Math.log1p(Math.exp(-4)) - Math.log(2) - Math.log1p(0);
    assertThat(sampler.draw(logits, new Noise.Mode(), 0).logProb())
        .isCloseTo(expected, within(1e-12));
  }
}
