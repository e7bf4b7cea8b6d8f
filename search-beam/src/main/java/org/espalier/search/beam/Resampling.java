package org.espalier.search.beam;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.espalier.api.DrawKey;

/** How a population is drawn again in proportion to its weights. */
public enum Resampling {
  /** One uniform number and a comb: the least variance. */
  SYSTEMATIC {
    @Override
    double[] points(int count, DrawKey key) {
      double[] points = new double[count];
      double offset = key.uniform();
      for (int i = 0; i < count; i++) {
        points[i] = (i + offset) / count;
      }
      return points;
    }
  },
  /** Independent draws. */
  MULTINOMIAL {
    @Override
    double[] points(int count, DrawKey key) {
      double[] points = new double[count];
      for (int i = 0; i < count; i++) {
        points[i] = key.child(i).uniform();
      }
      Arrays.sort(points);
      return points;
    }
  };

  abstract double[] points(int count, DrawKey key);

  /** Draws members by weights that add up to 1, in order; repeated ones are marked as copies. */
  List<PopulationLoop.Member> draw(
      List<PopulationLoop.Member> members, double[] weights, int count, DrawKey key) {
    List<PopulationLoop.Member> drawn = new ArrayList<>();
    double[] points = points(count, key);
    int at = 0;
    double sum = weights[0];
    int last = -1;
    for (double point : points) {
      while (point >= sum && at < weights.length - 1) {
        sum += weights[++at];
      }
      PopulationLoop.Member member = members.get(at).weighing(0);
      drawn.add(at == last ? member.copied() : member);
      last = at;
    }
    return drawn;
  }

  /**
   * Weights from their logarithms, adding up to 1; null if every one is zero. Scores near the
   * limits of double times a factor may be infinite: such weights share alike, and one that was
   * zero stays so.
   */
  static double @org.jspecify.annotations.Nullable [] normalise(double[] logWeights) {
    double[] logs =
        Arrays.stream(logWeights)
            .map(log -> Double.isNaN(log) ? Double.NEGATIVE_INFINITY : log)
            .toArray();
    double most = Arrays.stream(logs).max().orElse(Double.NEGATIVE_INFINITY);
    if (most == Double.NEGATIVE_INFINITY) {
      return null;
    }
    double[] weights = new double[logs.length];
    double sum = 0;
    for (int i = 0; i < weights.length; i++) {
      weights[i] = logs[i] == most ? 1 : StrictMath.exp(logs[i] - most);
      sum += weights[i];
    }
    for (int i = 0; i < weights.length; i++) {
      weights[i] /= sum;
    }
    return weights;
  }

  /** Effective sample size of weights that add up to 1. */
  static double effectiveSize(double[] weights) {
    double squares = 0;
    for (double weight : weights) {
      squares += weight * weight;
    }
    return 1 / squares;
  }
}
