package org.espalier.search.beam;

import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;
import org.espalier.api.Draw;
import org.espalier.api.SearchContext;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Cost;

/** Sizes automatic parameters from quotes, and spends what they leave. */
final class Sizing {
  private static final int MOST = 1 << 20;

  /** Samples started together; more would only hold more memory. */
  private static final int CHUNK = 8;

  private Sizing() {}

  /** The largest number whose whole search the budget affords, at least 1; costs must grow. */
  static int largest(SearchContext context, IntFunction<Cost> cost) {
    int affordable = 1;
    while (affordable < MOST && context.budget().affords(cost.apply(2 * affordable))) {
      affordable *= 2;
    }
    for (int step = affordable / 2; step > 0; step /= 2) {
      if (context.budget().affords(cost.apply(affordable + step))) {
        affordable += step;
      }
    }
    return affordable;
  }

  /**
   * Draws independent samples while the budget holds another, as best-of-N would.
   *
   * @param begun how many samples of the stream {@code sample} the search has begun already
   */
  static void spendRest(SearchContext context, int begun) {
    int next = begun;
    while (true) {
      int count = CHUNK;
      while (count > 0 && !context.budget().affords(context.quotes().sample().times(count))) {
        count--;
      }
      if (count == 0) {
        return;
      }
      List<Draw> draws = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        draws.add(Draw.fresh(context.stream("sample").child(next++)));
      }
      context.verify(VerifierRole.SEARCH, context.complete(context.begin(draws)));
      context.retainOnly(List.of());
    }
  }
}
