package org.espalier.models.var;

import org.espalier.api.Noise;
import org.espalier.noise.KeyedNoise;

/**
 * Draws the bits of one scale from their logits, each bit for itself.
 *
 * @param bits of one token
 * @param topK keep this many outcomes of a bit: 1 is the most probable one, 0 or 2 and above both
 * @param topP drop the less probable outcome of a bit where its probability is at most {@code 1 -
 *     topP}; 0 for never
 */
record BitSampler(int bits, int topK, double topP) {
  /**
   * What was drawn.
   *
   * @param bits 0 or 1, (tokens, bits)
   * @param logProb natural logarithm of their probability under the distribution drawn from
   */
  record Drawn(byte[] bits, double logProb) {}

  /**
   * The numbers that decide a draw.
   *
   * @param noise of the draw
   * @param tokens of the scale
   * @param scale from 0
   * @return in [0, 1), (tokens, bits); empty for {@link Noise.Mode}
   */
  float[] uniform(Noise noise, int tokens, int scale) {
    return noise instanceof Noise.Mode
        ? new float[0]
        : KeyedNoise.uniform(noise, scale, tokens * bits, bits);
  }

  /** A bit whose less probable outcome is at most as probable as this takes the other one. */
  double certain() {
    return topK == 1 ? 1 : topP > 0 ? 1 - topP : -1;
  }

  /**
   * Draws.
   *
   * @param logits (tokens, bits, 2)
   * @param noise of the draw; {@link Noise.Mode} takes the more probable outcome of each bit, 0
   *     where both are equal
   * @param scale from 0
   */
  Drawn draw(float[] logits, Noise noise, int scale) {
    return draw(logits, uniform(noise, logits.length / 2 / bits, scale));
  }

  /**
   * Draws.
   *
   * @param logits (tokens, bits, 2)
   * @param uniform what decides, (tokens, bits), or empty for the more probable outcome of each bit
   */
  Drawn draw(float[] logits, float[] uniform) {
    int count = logits.length / 2;
    boolean mode = uniform.length == 0;
    double sure = certain();
    byte[] drawn = new byte[count];
    double logProb = 0;
    for (int i = 0; i < count; i++) {
      double difference = (double) logits[2 * i + 1] - logits[2 * i];
      // StrictMath: the same bits on every machine
      double one = 1 / (1 + StrictMath.exp(-difference));
      double smaller = Math.min(one, 1 - one);
      boolean certain = smaller <= sure;
      boolean bit = (mode || certain) ? difference > 0 : uniform[i] < one;
      drawn[i] = (byte) (bit ? 1 : 0);
      if (!certain) {
        // log of the logistic function without overflow
        double signed = bit ? difference : -difference;
        logProb +=
            signed > 0
                ? -StrictMath.log1p(StrictMath.exp(-signed))
                : signed - StrictMath.log1p(StrictMath.exp(signed));
      } else if (bit != difference > 0) {
        logProb = Double.NEGATIVE_INFINITY;
      }
    }
    return new Drawn(drawn, logProb);
  }
}
