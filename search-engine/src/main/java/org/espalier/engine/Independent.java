package org.espalier.engine;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.espalier.api.Noise;
import org.espalier.api.VerifierRole;
import org.espalier.compute.ComputeUnit;
import org.espalier.compute.Cost;
import org.jspecify.annotations.Nullable;

/**
 * How much of a search was none: samples begun from noise of their own and followed to their end
 * without a look or a choice on the way. By this a search shows that fell back to best-of-n.
 */
final class Independent {
  private Independent() {}

  /** Their share of the spend without text encoding, from 0 to 1. */
  static double share(List<Node> nodes, DefaultQuotes quotes, ComputeUnit unit, Cost spent) {
    Set<Node> branched = new HashSet<>();
    for (Node node : nodes) {
      if (node.parent != null && !node.verb.equals("complete")) {
        branched.add(node.parent);
      }
    }
    double independent = 0;
    for (Node node : nodes) {
      Node root = root(node);
      if (root != null && !branched.contains(root) && !branched.contains(node)) {
        independent += unit.of(root.cost.plus(node.cost));
        if (node.verdicts.containsKey(VerifierRole.SEARCH)) {
          independent += unit.of(quotes.verify(VerifierRole.SEARCH, node.step));
        }
      }
    }
    double whole = unit.of(spent) - unit.of(quotes.encode());
    return whole > 0 ? Math.min(1, independent / whole) : 0;
  }

  /** The root from which a complete sample was followed in one go, if it was. */
  private static @Nullable Node root(Node node) {
    if (node.between || !node.verb.equals("complete")) {
      return null;
    }
    Node from = node.parent;
    while (from != null && from.between) {
      from = from.parent;
    }
    return from != null
            && from.verb.equals("begin")
            && from.noise instanceof Noise.Keyed
            && from.verdicts.isEmpty()
        ? from
        : null;
  }
}
