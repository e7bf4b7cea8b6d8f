package org.espalier.api;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.IntFunction;
import org.apiguardian.api.API;
import org.espalier.compute.Cost;

/**
 * What {@code auto} means: the largest size whose whole search the budget holds, and further
 * independent samples with what that leaves.
 */
@API(status = API.Status.EXPERIMENTAL, since = "0.2")
public final class Sizing {
  /** The largest size that is tried. */
  public static final int MOST = 1 << 20;

  private Sizing() {}

  /**
   * The largest size whose whole search the budget affords.
   *
   * @param context of the search
   * @param least the least size that is of use, positive
   * @param cost of the whole search for a size, verdicts included; must not fall as sizes grow. A
   *     cost that cannot be computed (an overflow) is not afforded
   * @return from {@code least} to {@link #MOST}, or empty where the budget does not hold the least
   */
  public static OptionalInt largest(SearchContext context, int least, IntFunction<Cost> cost) {
    int size = Largest.of(least - 1, MOST, some -> affords(context, some, cost));
    return size < least ? OptionalInt.empty() : OptionalInt.of(size);
  }

  private static boolean affords(SearchContext context, int size, IntFunction<Cost> cost) {
    Cost whole;
    try {
      whole = cost.apply(size);
    } catch (ArithmeticException e) {
      return false;
    }
    return context.budget().affords(whole);
  }

  /**
   * Takes independent samples, the i-th of them {@code stream("sample").child(first + i)}, as many
   * as the budget holds.
   *
   * @param context of the search
   * @param first number of the first, which is that of the samples begun already
   * @param most how many at most, not negative
   * @return how many were taken
   */
  public static int sample(SearchContext context, int first, int most) {
    int count = context.budget().most(Math.min(most, MOST), context.quotes().sample());
    if (count > 0) {
      List<Draw> draws = new ArrayList<>(count);
      DrawKey samples = context.stream("sample");
      for (int i = 0; i < count; i++) {
        draws.add(Draw.fresh(samples.child(first + i)));
      }
      context.sample(draws);
    }
    return count;
  }

  /**
   * Spends what is left on independent samples, as best-of-N would.
   *
   * @param context of the search
   * @param begun how many samples of the stream {@code sample} the search has begun already
   */
  public static void spendRest(SearchContext context, int begun) {
    int next = begun;
    int taken;
    do {
      taken = sample(context, next, MOST);
      next += taken;
    } while (taken > 0);
  }
}
