package org.espalier.api;

import java.util.List;

/**
 * One parent and the draws of its children: one network evaluation, {@code draws.size()} children.
 *
 * @param from the parent; it is not consumed
 * @param draws one per child; not empty
 */
public record Expansion(Trajectory from, List<Draw> draws) {
  public Expansion {
    draws = List.copyOf(draws);
    if (draws.isEmpty()) {
      throw new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          "An expansion of trajectory (" + from.id() + ") has no draw.",
          "Maybe leave the parent out of the batch.");
    }
  }
}
