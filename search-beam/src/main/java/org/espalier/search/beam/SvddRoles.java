package org.espalier.search.beam;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.espalier.api.DrawKey;
import org.espalier.api.SearchContext;

/**
 * Soft value-based decoding (<a href="https://arxiv.org/abs/2408.08252">Li et al. 2024</a>, SVDD):
 * at each step every particle draws some children and one of them is kept by what it shows. The
 * value of a child is the verifier's score of its preview (the posterior mean of a flow model); no
 * value network is learned.
 */
record SvddRoles(SvddSearchConfig config) implements PopulationLoop.Roles {
  @Override
  public String name() {
    return "svdd";
  }

  /** As many roots as there will be children, of which as many particles go on. */
  @Override
  public int initial(int size) {
    return config.particles() * size;
  }

  @Override
  public int children(int step, int size) {
    return step >= config.from() ? size : 1;
  }

  @Override
  public boolean scores(SearchContext context, int taken) {
    return taken == config.from() || (taken > config.from() && context.isStochastic(taken - 1));
  }

  @Override
  public List<PopulationLoop.Member> select(
      SearchContext context, int taken, int size, List<PopulationLoop.Member> members) {
    if (!scores(context, taken)
        || members.size() <= config.particles()
        || taken == context.horizon()) {
      return members;
    }
    List<PopulationLoop.Member> chosen = new ArrayList<>();
    int family = members.size() / config.particles();
    DrawKey key = context.stream("svdd-choice").child(taken);
    for (int particle = 0; particle < config.particles(); particle++) {
      chosen.add(
          choose(members.subList(particle * family, (particle + 1) * family), key.child(particle)));
    }
    return chosen;
  }

  private PopulationLoop.Member choose(List<PopulationLoop.Member> family, DrawKey key) {
    if (config.temperature() > 0) {
      double[] weights =
          Resampling.normalise(
              family.stream().mapToDouble(m -> m.latest() / config.temperature()).toArray());
      if (weights != null) {
        return Resampling.MULTINOMIAL.draw(family, weights, 1, key).get(0);
      }
    }
    // The first of the best.
    return family.stream()
        .max(
            Comparator.comparingDouble(PopulationLoop.Member::latest)
                .thenComparing(family::indexOf, Comparator.reverseOrder()))
        .orElseThrow();
  }

  @Override
  public long survivors(SearchContext context, int taken, int size, long members) {
    return scores(context, taken) ? Math.min(members, config.particles()) : members;
  }
}
