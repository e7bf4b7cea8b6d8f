package org.espalier.engine;

import java.util.ArrayList;
import java.util.List;
import org.espalier.compute.Budget;
import org.espalier.compute.ComputeUnit;
import org.espalier.compute.Cost;
import org.espalier.spi.RgbImage;
import org.jspecify.annotations.Nullable;

/**
 * The best verified sample of a search and, until there is one, the escrow: what must be held back
 * so that one sample can still be finished and verified. Keeps the states of both open.
 */
final class Incumbent {
  private final Budget budget;
  private final DefaultQuotes quotes;
  private final StateStore store;
  private final List<IncumbentPoint> curve = new ArrayList<>();
  private @Nullable Node best;
  private @Nullable RgbImage image;

  /** The trajectory that is cheapest to finish while there is no incumbent; pinned. */
  private @Nullable Node escrowed;

  Incumbent(Budget budget, DefaultQuotes quotes, StateStore store) {
    this.budget = budget;
    this.quotes = quotes;
    this.store = store;
  }

  /** The best complete sample that the search verifier has scored. */
  @Nullable Node best() {
    return best;
  }

  /** Its image. */
  @Nullable RgbImage image() {
    return image;
  }

  /** Every improvement, with what had been spent. */
  List<IncumbentPoint> curve() {
    return curve;
  }

  /** The trajectory that is cheapest to finish, while there is no incumbent. */
  @Nullable Node escrowed() {
    return escrowed;
  }

  /** Compares a complete node that has a score with the best so far; the earlier wins a tie. */
  void challenge(Node node, RgbImage decoded) {
    Node current = best;
    if (current != null && node.score() <= current.score()) {
      return;
    }
    store.pin(node);
    best = node;
    image = decoded;
    if (current != null) {
      store.release(current);
    }
    Node pinned = escrowed;
    if (pinned != null) {
      escrowed = null;
      store.release(pinned);
    }
  }

  /** Notes on the curve that the incumbent has changed. */
  void record(@Nullable Node before, Cost spent) {
    Node after = best;
    RgbImage shown = image;
    if (after != null && shown != null && after != before) {
      curve.add(new IncumbentPoint(spent, after.id, after.score(), shown));
    }
  }

  /** Considers new nodes as the trajectory that is cheapest to finish. */
  void consider(List<Node> made) {
    if (best != null) {
      return;
    }
    for (Node node : made) {
      Node current = escrowed;
      if (node.state != null && (current == null || node.step > current.step)) {
        store.pin(node);
        escrowed = node;
        if (current != null) {
          store.release(current);
        }
      }
    }
  }

  /**
   * What must remain after a verb, so that one sample can be finished.
   *
   * @param finish what it takes from what the verb gives
   */
  Cost escrow(Cost finish) {
    if (best != null || finish.equals(Cost.ZERO)) {
      return Cost.ZERO;
    }
    Cost least = cheaper(quotes.sample(), finish);
    Node node = escrowed;
    return node == null ? least : cheaper(least, quotes.finish(node.step, node.evaluated));
  }

  /** The cheaper of two ways to finish. */
  Cost cheaper(Cost a, Cost b) {
    // Compared in every unit: a tie in the budget's own must not hold back more of a capped one.
    if (b.within(a)) {
      return b;
    }
    ComputeUnit unit = budget.unit();
    return a.within(b) || unit.of(a) <= unit.of(b) ? a : b;
  }
}
