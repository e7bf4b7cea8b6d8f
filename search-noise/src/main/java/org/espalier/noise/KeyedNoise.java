package org.espalier.noise;

import java.util.ArrayList;
import java.util.List;
import org.apache.commons.rng.UniformRandomProvider;
import org.apache.commons.rng.sampling.distribution.ZigguratSampler;
import org.apache.commons.rng.simple.RandomSource;
import org.espalier.api.DrawKey;
import org.espalier.api.Noise;

/**
 * Numbers from noise: a pure function of (noise, step, length), whatever else is in the batch, on
 * whatever thread or machine. The generator is the counter-based Philox 4x64 (<a
 * href="https://doi.org/10.1145/2063384.2063405">Salmon et al. 2011</a>) keyed by {@link DrawKey}.
 * Shorter requests are prefixes of longer ones.
 */
public final class KeyedNoise {
  /** The largest uniform number: mirrored ones stay within [0, 1) and multiples of 2^-24. */
  private static final float LAST = 1 - 0x1p-24f;

  private KeyedNoise() {}

  /**
   * Standard Gaussian numbers; zeros for {@link Noise.Mode}.
   *
   * @param noise what noise
   * @param step at which step
   * @param length how many
   */
  public static float[] gaussian(Noise noise, int step, int length) {
    float[] values = new float[length];
    if (noise instanceof Noise.Keyed keyed) {
      ZigguratSampler.NormalizedGaussian sampler =
          ZigguratSampler.NormalizedGaussian.of(generator(keyed.key().child(step)));
      for (int i = 0; i < length; i++) {
        values[i] = (float) sampler.sample();
      }
    } else if (noise instanceof Noise.Blend blend) {
      float[] pivot = gaussian(blend.pivot(), step, length);
      float[] direction = gaussian(new Noise.Keyed(blend.direction()), step, length);
      double keep = Math.sqrt(1 - blend.radius() * blend.radius());
      for (int i = 0; i < length; i++) {
        values[i] = (float) (keep * pivot[i] + blend.radius() * direction[i]);
      }
    } else if (noise instanceof Noise.Mix mix) {
      double[] sums = new double[length];
      for (int part = 0; part < mix.parts().size(); part++) {
        float[] numbers = gaussian(mix.parts().get(part), step, length);
        for (int i = 0; i < length; i++) {
          sums[i] += mix.weights().get(part) * numbers[i];
        }
      }
      for (int i = 0; i < length; i++) {
        values[i] = (float) sums[i];
      }
    }
    return values;
  }

  /**
   * Uniform numbers in [0, 1), multiples of 2^-24. {@link Noise.Mode} has none: callers take the
   * most probable outcome instead.
   *
   * @param noise anything but {@link Noise.Mode}
   * @param step at which step
   * @param length how many
   */
  public static float[] uniform(Noise noise, int step, int length) {
    return uniform(noise, step, length, 1);
  }

  /**
   * Uniform numbers of which each group of consecutive ones belongs to one token: a {@link
   * Noise.Blend} takes a token's numbers all from its pivot or all from its direction, a {@link
   * Noise.Mix} all from one part.
   *
   * @param noise anything but {@link Noise.Mode}
   * @param step at which step
   * @param length how many, a multiple of {@code group}
   * @param group numbers a token, positive
   */
  public static float[] uniform(Noise noise, int step, int length, int group) {
    float[] values = new float[length];
    if (noise instanceof Noise.Keyed keyed) {
      UniformRandomProvider generator = generator(keyed.key().child(step));
      for (int i = 0; i < length; i++) {
        values[i] = generator.nextFloat();
      }
      return values;
    }
    if (noise instanceof Noise.Blend blend) {
      float[] pivot = uniform(blend.pivot(), step, length, group);
      float[] direction = uniform(new Noise.Keyed(blend.direction()), step, length, group);
      UniformRandomProvider choice = generator(blend.direction().child(step).child("choice"));
      for (int i = 0; i < length; i += group) {
        float[] source = choice.nextFloat() < blend.radius() ? direction : pivot;
        System.arraycopy(source, i, values, i, Math.min(group, length - i));
      }
      return values;
    }
    if (noise instanceof Noise.Mix mix) {
      List<float[]> parts = new ArrayList<>();
      mix.parts().forEach(part -> parts.add(uniform(part, step, length, group)));
      UniformRandomProvider choice = generator(mix.choice().child(step));
      for (int i = 0; i < length; i += group) {
        int part = mix.chosen(choice.nextFloat());
        boolean mirrored = mix.weights().get(part) < 0;
        for (int at = i; at < Math.min(i + group, length); at++) {
          float value = parts.get(part)[at];
          values[at] = mirrored ? LAST - value : value;
        }
      }
      return values;
    }
    throw new IllegalArgumentException("the mode has no uniform numbers");
  }

  private static UniformRandomProvider generator(DrawKey key) {
    // The seed of Philox is its key (two words) and its counter (four words).
    return RandomSource.PHILOX_4X64.create(new long[] {key.high(), key.low(), 0, 0, 0, 0});
  }
}
