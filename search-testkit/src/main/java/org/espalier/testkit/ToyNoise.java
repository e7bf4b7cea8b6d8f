package org.espalier.testkit;

import java.util.List;
import java.util.SplittableRandom;
import org.espalier.api.DrawKey;
import org.espalier.api.Noise;

/** Turns noise into numbers, as a pure function of (noise, step). */
final class ToyNoise {
  /** The "step" of a root's noise. */
  static final int ROOT = -1;

  private ToyNoise() {}

  /** Uniform numbers in (0, 1), one a token; the median for {@link Noise.Mode}. */
  static double[] uniforms(Noise noise, int step, int count) {
    double[] result = new double[count];
    if (noise instanceof Noise.Keyed keyed) {
      SplittableRandom random = random(keyed.key(), step);
      for (int i = 0; i < count; i++) {
        result[i] = open(random);
      }
    } else if (noise instanceof Noise.Blend blend) {
      result = uniforms(blend.pivot(), step, count);
      SplittableRandom random = random(blend.direction(), step);
      for (int i = 0; i < count; i++) {
        boolean redraw = random.nextDouble() < blend.radius();
        double fresh = open(random);
        if (redraw) {
          result[i] = fresh;
        }
      }
    } else if (noise instanceof Noise.Mix mix) {
      List<double[]> parts = mix.parts().stream().map(part -> uniforms(part, step, count)).toList();
      SplittableRandom random = random(mix.choice(), step);
      for (int i = 0; i < count; i++) {
        int part = mix.chosen(random.nextDouble());
        double value = parts.get(part)[i];
        result[i] = mix.weights().get(part) < 0 ? 1 - value : value;
      }
    } else {
      java.util.Arrays.fill(result, 0.5);
    }
    return result;
  }

  /** Standard Gaussian numbers; zeros for {@link Noise.Mode}. */
  static double[] gaussians(Noise noise, int step, int count) {
    double[] result = new double[count];
    if (noise instanceof Noise.Keyed keyed) {
      fill(random(keyed.key(), step), result);
    } else if (noise instanceof Noise.Blend blend) {
      double[] pivot = gaussians(blend.pivot(), step, count);
      fill(random(blend.direction(), step), result);
      double along = StrictMath.sqrt(1 - blend.radius() * blend.radius());
      for (int i = 0; i < count; i++) {
        result[i] = along * pivot[i] + blend.radius() * result[i];
      }
    } else if (noise instanceof Noise.Mix mix) {
      for (int part = 0; part < mix.parts().size(); part++) {
        double[] values = gaussians(mix.parts().get(part), step, count);
        for (int i = 0; i < count; i++) {
          result[i] += mix.weights().get(part) * values[i];
        }
      }
    }
    return result;
  }

  private static void fill(SplittableRandom random, double[] result) {
    for (int i = 0; i < result.length; i++) {
      // Box-Muller in StrictMath: the same numbers on every platform and JDK.
      double radius = StrictMath.sqrt(-2 * StrictMath.log(open(random)));
      result[i] = radius * StrictMath.cos(2 * Math.PI * random.nextDouble());
    }
  }

  private static double open(SplittableRandom random) {
    return (random.nextLong() >>> 11) * 0x1p-53 + 0x1p-54;
  }

  private static SplittableRandom random(DrawKey key, int step) {
    DrawKey at = step == ROOT ? key.child("root") : key.child(step);
    return new SplittableRandom(at.high() ^ Long.rotateLeft(at.low(), 32));
  }
}
