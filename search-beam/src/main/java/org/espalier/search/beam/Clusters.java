package org.espalier.search.beam;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Lloyd's k-means, started from points that are far apart, so that nothing is drawn at random and
 * the same points give the same clusters.
 */
final class Clusters {
  private static final int MOST_ROUNDS = 50;

  private Clusters() {}

  /**
   * Indices of the points nearest to the centres of some clusters, ascending and distinct.
   *
   * @param points of one dimension
   * @param count clusters, at most as many as points
   */
  static List<Integer> representatives(List<float[]> points, int count) {
    double[][] centres = farApart(points, count);
    int[] cluster = new int[points.size()];
    for (int round = 0; round < MOST_ROUNDS; round++) {
      int[] before = cluster.clone();
      for (int i = 0; i < points.size(); i++) {
        cluster[i] = nearest(points.get(i), centres);
      }
      if (round > 0 && Arrays.equals(before, cluster)) {
        break;
      }
      move(points, cluster, centres);
    }
    boolean[] chosen = new boolean[points.size()];
    for (double[] centre : centres) {
      int best = -1;
      double least = Double.POSITIVE_INFINITY;
      for (int i = 0; i < points.size(); i++) {
        double distance = chosen[i] ? least : distance(points.get(i), centre, least);
        if (!chosen[i] && (best < 0 || distance < least)) {
          best = i;
          least = distance;
        }
      }
      chosen[best] = true;
    }
    List<Integer> result = new ArrayList<>();
    for (int i = 0; i < chosen.length; i++) {
      if (chosen[i]) {
        result.add(i);
      }
    }
    return result;
  }

  private static double[][] farApart(List<float[]> points, int count) {
    double[][] centres = new double[count][];
    double[] apart = new double[points.size()];
    Arrays.fill(apart, Double.POSITIVE_INFINITY);
    int next = 0;
    for (int c = 0; c < count; c++) {
      float[] point = points.get(next);
      centres[c] = new double[point.length];
      for (int d = 0; d < point.length; d++) {
        centres[c][d] = point[d];
      }
      next = 0;
      for (int i = 0; i < points.size(); i++) {
        apart[i] = Math.min(apart[i], distance(points.get(i), centres[c], apart[i]));
        next = apart[i] > apart[next] ? i : next;
      }
    }
    return centres;
  }

  private static void move(List<float[]> points, int[] cluster, double[][] centres) {
    int[] sizes = new int[centres.length];
    double[][] sums = new double[centres.length][centres[0].length];
    for (int i = 0; i < points.size(); i++) {
      sizes[cluster[i]]++;
      for (int d = 0; d < centres[0].length; d++) {
        sums[cluster[i]][d] += points.get(i)[d];
      }
    }
    for (int c = 0; c < centres.length; c++) {
      // An empty cluster stays where it is.
      for (int d = 0; d < centres[0].length && sizes[c] > 0; d++) {
        centres[c][d] = sums[c][d] / sizes[c];
      }
    }
  }

  private static int nearest(float[] point, double[][] centres) {
    int nearest = 0;
    double least = Double.POSITIVE_INFINITY;
    for (int c = 0; c < centres.length; c++) {
      double distance = distance(point, centres[c], least);
      if (distance < least) {
        nearest = c;
        least = distance;
      }
    }
    return nearest;
  }

  /** The squared distance, or infinity as soon as it is known not to be below a limit. */
  private static double distance(float[] point, double[] centre, double limit) {
    double sum = 0;
    for (int d = 0; d < point.length; d++) {
      sum += (point[d] - centre[d]) * (point[d] - centre[d]);
      if (sum >= limit) {
        return Double.POSITIVE_INFINITY;
      }
    }
    return sum;
  }
}
