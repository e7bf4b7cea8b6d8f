package org.espalier.search.mcts;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import org.espalier.api.AutoInt;
import org.espalier.api.Candidate;
import org.espalier.api.Draw;
import org.espalier.api.DrawKey;
import org.espalier.api.Expansion;
import org.espalier.api.Quotes;
import org.espalier.api.SearchContext;
import org.espalier.api.Sizing;
import org.espalier.api.Trajectory;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Cost;

/**
 * What tree searches share: a tree over trajectories with progressive widening. Each iteration
 * walks down from the root, adds one child where a node may have more, rolls that child out,
 * verifies the end and backs its score up. Above all samples stands a root without a trajectory,
 * whose i-th child is the first step of the sample {@code stream("sample").child(i)}. All state is
 * of one search.
 */
abstract class GrowingTree {
  private final SearchContext context;
  private final String name;
  private final double wideningFactor;
  private final double wideningExponent;
  private final Branch top = new Branch(null, null, 0, 0);
  private final List<Trajectory> live = new ArrayList<>();
  private Branch root = top;
  private double lowest = Double.POSITIVE_INFINITY;
  private double highest = Double.NEGATIVE_INFINITY;
  private int iterations;

  GrowingTree(SearchContext context, String name, double wideningFactor, double wideningExponent) {
    this.context = context;
    this.name = name;
    this.wideningFactor = wideningFactor;
    this.wideningExponent = wideningExponent;
  }

  /** The child to walk down to; none of the candidates is exhausted. */
  abstract Branch choose(Branch parent, List<Branch> candidates);

  /** Takes a new score into a node; leaves first. */
  abstract void backUp(Branch node, double score, boolean leaf);

  /** Called with each new child before its roll-out. */
  void born(Branch child) {}

  /** Cost of {@link #born}, for the decision whether another iteration fits. */
  Cost birthCost(int step) {
    return Cost.ZERO;
  }

  final SearchContext context() {
    return context;
  }

  final int iteration() {
    return iterations;
  }

  /** A score brought to [0, 1] by the range seen so far. */
  final double scaled(double score) {
    return highest > lowest ? (score - lowest) / (highest - lowest) : 0.5;
  }

  /**
   * Grows the tree.
   *
   * @param limit iterations, or auto: until the budget does not hold another
   * @param commits how often the root moves down to its best child, keeping what is known below it
   */
  Candidate grow(AutoInt limit, int commits) {
    int most = limit.value().orElse(Integer.MAX_VALUE);
    int moves = 0;
    while (iterations < most && !top.exhausted) {
      if (moves < commits && progress(most) >= (moves + 1.0) / (commits + 1)) {
        descend();
        moves++;
      }
      Branch parent = select();
      if (limit.isAuto() && !context.budget().affords(cost(parent.step))) {
        break;
      }
      iterate(parent);
      iterations++;
    }
    if (limit.isAuto()) {
      // What does not hold another iteration, or finds the tree exhausted, may hold a sample.
      context.retainOnly(List.of());
      Sizing.spendRest(context, top.children.size());
    }
    return context.answer();
  }

  private double progress(int most) {
    return most == Integer.MAX_VALUE ? context.budget().progress() : (double) iterations / most;
  }

  /** Moves the root to its most visited child that still has something below. */
  private void descend() {
    root.children.stream()
        .filter(child -> !child.exhausted)
        .max(Comparator.comparingInt(child -> child.visits))
        .ifPresent(child -> root = child);
  }

  private Branch select() {
    while (root.exhausted && root.parent != null) {
      root = root.parent;
    }
    Branch node = root;
    while (!mayWiden(node)) {
      List<Branch> open = new ArrayList<>();
      for (Branch child : node.children) {
        if (!child.exhausted) {
          open.add(child);
        }
      }
      if (open.isEmpty()) {
        // All that it has is known to the end: it may have more children than its share.
        return node;
      }
      node = choose(node, open);
    }
    return node;
  }

  private boolean branches(Branch node) {
    return node == top || context.isStochastic(node.step);
  }

  private boolean mayWiden(Branch node) {
    if (node.children.isEmpty()) {
      return true;
    }
    double share = wideningFactor * Math.pow(Math.max(1, node.visits), wideningExponent);
    return branches(node) && node.children.size() < Math.max(1, Math.ceil(share));
  }

  private void iterate(Branch parent) {
    Branch child = addChild(parent);
    Trajectory at = child.at;
    if (at == null) {
      throw new AssertionError("a child has no trajectory");
    }
    live.add(at);
    born(child);
    Candidate end = context.verify(VerifierRole.SEARCH, context.complete(List.of(at))).get(0);
    double score = end.rank();
    if (score > Double.NEGATIVE_INFINITY) {
      lowest = Math.min(lowest, score);
      highest = Math.max(highest, score);
    }
    boolean leaf = true;
    for (Branch node = child; node != null; node = node.parent) {
      node.visits++;
      if (score > Double.NEGATIVE_INFINITY) {
        node.verdicts++;
        node.sum += score;
        backUp(node, score, leaf);
      }
      leaf = false;
    }
    exhaust(child);
    context.annotate(at, Map.of("visits", (double) child.visits, "value", child.mean()));
    // The roll-out's end is dropped; the engine keeps the incumbent.
    context.retainOnly(live);
  }

  private Branch addChild(Branch parent) {
    int index = parent.children.size();
    Trajectory from = parent.at;
    Draw draw;
    if (from == null) {
      from = context.begin(List.of(Draw.fresh(context.stream("sample").child(index)))).get(0);
      draw = Draw.follow();
    } else {
      // The first child goes on as the roll-out from its parent did.
      draw = index == 0 ? Draw.follow() : Draw.fresh(key(parent).child(index));
    }
    Trajectory at = context.expand(List.of(new Expansion(from, List.of(draw)))).get(0).get(0);
    Branch child = new Branch(parent, at, at.step(), index);
    parent.children.add(child);
    return child;
  }

  private DrawKey key(Branch node) {
    return node.parent == null
        ? context.stream(name)
        : key(node.parent).child(node.index).child("below");
  }

  /** Marks what cannot be visited again, upwards. */
  private void exhaust(Branch child) {
    Branch node = child;
    node.exhausted = node.step == context.horizon() || followsToEnd(node.step);
    while (node.exhausted && node.parent != null) {
      Branch parent = node.parent;
      if (branches(parent) || parent.children.stream().anyMatch(c -> !c.exhausted)) {
        return;
      }
      parent.exhausted = true;
      node = parent;
    }
  }

  /** Whether the roll-out from a step is the only one there is. */
  private boolean followsToEnd(int step) {
    for (int at = step; at < context.horizon(); at++) {
      if (context.isStochastic(at)) {
        return false;
      }
    }
    return true;
  }

  private Cost cost(int step) {
    Quotes quotes = context.quotes();
    Cost cost =
        quotes
            .expand(step, 1, false)
            .plus(quotes.complete(step + 1))
            .plus(birthCost(step + 1))
            .plus(quotes.verify(VerifierRole.SEARCH, context.horizon()));
    return step == 0 ? cost.plus(quotes.begin()) : cost;
  }
}
