package org.espalier.search.beam;

import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import org.espalier.api.AutoInt;
import org.espalier.api.Candidate;
import org.espalier.api.SearchContext;
import org.espalier.api.SearchStrategy;
import org.espalier.api.StrategyCard;

/**
 * A method that runs one population.
 *
 * @param card what it is and needs
 * @param size its size parameter; automatically the largest whose whole search the budget affords
 * @param roles what makes the method
 */
record PopulationSearch(StrategyCard card, AutoInt size, PopulationLoop.Roles roles)
    implements SearchStrategy {
  @Override
  public Candidate search(SearchContext context) {
    PopulationLoop loop = new PopulationLoop(roles);
    int given =
        size.value().orElseGet(() -> Sizing.largest(context, some -> loop.cost(context, some)));
    List<PopulationLoop.Member> last = loop.run(context, 0, given);
    if (roles.answer() == Answer.BEST) {
      return context.answer();
    }
    return last.stream()
        .map(PopulationLoop.Member::evidence)
        .filter(Objects::nonNull)
        .filter(evidence -> evidence.score().isPresent())
        .max(Comparator.comparingDouble(Candidate::rank))
        .orElseGet(context::answer);
  }
}
