package org.espalier.search.mcts;

import java.util.ArrayList;
import java.util.List;
import org.espalier.api.Trajectory;
import org.jspecify.annotations.Nullable;

/** A node of the search's own tree. */
final class Branch {
  final @Nullable Branch parent;

  /** Null for the root above all samples. */
  final @Nullable Trajectory at;

  /** Steps taken. */
  final int step;

  /** Number among its siblings, part of the key of its noise. */
  final int index;

  final List<Branch> children = new ArrayList<>();

  /** The cheap verifier's share of trust among its siblings; 1 where there is none. */
  double prior = 1;

  int visits;
  double sum;

  /** Soft value: logarithm of the mean exponentiated value, over lambda. */
  double soft;

  /** Nothing below can be visited any more. */
  boolean exhausted;

  /** How many roll-outs from here or below had a verdict. */
  int verdicts;

  Branch(@Nullable Branch parent, @Nullable Trajectory at, int step, int index) {
    this.parent = parent;
    this.at = at;
    this.step = step;
    this.index = index;
  }

  double mean() {
    return verdicts == 0 ? 0 : sum / verdicts;
  }
}
