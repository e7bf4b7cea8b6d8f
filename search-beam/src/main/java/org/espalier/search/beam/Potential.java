package org.espalier.search.beam;

import java.util.List;

/**
 * How the scores of a particle's line become its weight (<a
 * href="https://arxiv.org/abs/2501.06848">Singhal et al. 2025</a>).
 */
public enum Potential {
  /** The best score so far. */
  MAX {
    @Override
    double of(List<Double> scores) {
      return scores.stream().mapToDouble(Double::doubleValue).max().orElse(0);
    }
  },
  /** The sum of all scores so far. */
  ADD {
    @Override
    double of(List<Double> scores) {
      return scores.stream().mapToDouble(Double::doubleValue).sum();
    }
  },
  /** The gain since the previous score. */
  DIFF {
    @Override
    double of(List<Double> scores) {
      int n = scores.size();
      double latest = scores.get(n - 1);
      double before = n > 1 ? scores.get(n - 2) : 0;
      return before == Double.NEGATIVE_INFINITY ? latest : latest - before;
    }
  };

  /** The potential of a line of scores, oldest first and not empty. */
  abstract double of(List<Double> scores);
}
