package org.espalier.engine;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalLong;
import org.espalier.api.Verdict;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Cost;

/**
 * A node of the tree log.
 *
 * @param id number within the search, in order of creation
 * @param parent the node it came from, or empty for a root
 * @param step steps taken
 * @param verb {@code begin}, {@code expand}, {@code rewind} or {@code complete}
 * @param cost generation charged for this node: its draw, its share of the parent's evaluation, or
 *     its roll-out
 * @param verdicts by role; unmodifiable
 * @param facts what the strategy annotated; unmodifiable
 * @param pruned why the strategy gave it up, or empty
 */
public record TreeNode(
    long id,
    OptionalLong parent,
    int step,
    String verb,
    Cost cost,
    Map<VerifierRole, Verdict> verdicts,
    Map<String, Double> facts,
    String pruned) {
  public TreeNode {
    // Copies that keep their order: logs must not differ between runs.
    verdicts = copy(verdicts);
    facts = copy(facts);
  }

  private static <K, V> Map<K, V> copy(Map<K, V> map) {
    return map.isEmpty() ? Map.of() : Collections.unmodifiableMap(new LinkedHashMap<>(map));
  }
}
