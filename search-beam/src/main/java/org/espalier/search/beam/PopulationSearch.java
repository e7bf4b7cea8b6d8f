package org.espalier.search.beam;

import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import org.espalier.api.AutoInt;
import org.espalier.api.Candidate;
import org.espalier.api.SearchContext;
import org.espalier.api.SearchStrategy;
import org.espalier.api.Sizing;
import org.espalier.api.StrategyCard;

/**
 * A method that runs one population. Its automatic size is the largest whose whole search the
 * budget affords. If the budget does not hold the least, fewer steps are searched where the method
 * allows it; what is left then, or after the search, draws further independent samples, as
 * best-of-N would.
 *
 * @param card what it is and needs
 * @param size its size parameter
 * @param roles what makes the method
 */
record PopulationSearch(StrategyCard card, AutoInt size, PopulationLoop.Roles roles)
    implements SearchStrategy {
  @Override
  public Candidate search(SearchContext context) {
    List<PopulationLoop.Member> last = List.of();
    if (!size.isAuto()) {
      last = new PopulationLoop(roles).run(context, 0, size.value().orElseThrow());
    } else {
      int begun = 0;
      Optional<Sized> sized = affordable(context);
      if (sized.isPresent()) {
        int given = sized.get().size();
        last = sized.get().loop().run(context, 0, given);
        begun = roles.initial(given);
      }
      if (last.isEmpty() || roles.answer() == Answer.BEST) {
        Sizing.spendRest(context, begun);
      }
    }
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

  private record Sized(PopulationLoop loop, int size) {}

  private Optional<Sized> affordable(SearchContext context) {
    Optional<PopulationLoop.Roles> fitting = Optional.of(roles);
    while (fitting.isPresent()) {
      PopulationLoop loop = new PopulationLoop(fitting.get());
      OptionalInt given = Sizing.largest(context, roles.least(), some -> loop.cost(context, some));
      if (given.isPresent()) {
        return Optional.of(new Sized(loop, given.getAsInt()));
      }
      fitting = fitting.get().shorter(context);
    }
    return Optional.empty();
  }
}
