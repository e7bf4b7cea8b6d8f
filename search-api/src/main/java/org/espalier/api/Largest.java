package org.espalier.api;

import java.util.function.IntPredicate;

/** The largest number that holds, by doubling and halving steps. */
final class Largest {
  private Largest() {}

  /**
   * The largest number of a range that holds, where each that holds does so for all smaller ones.
   *
   * @param least returned where none larger holds; not asked about
   * @param most the largest that is asked about
   * @param holds whether a number does
   */
  static int of(int least, int most, IntPredicate holds) {
    int low = least;
    long step = 1;
    while (low + step <= most && holds.test((int) (low + step))) {
      low += (int) step;
      step *= 2;
    }
    for (; step > 0; step /= 2) {
      if (low + step <= most && holds.test((int) (low + step))) {
        low += (int) step;
      }
    }
    return low;
  }
}
