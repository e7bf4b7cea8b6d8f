package org.espalier.search.beam;

import java.util.List;
import java.util.Map;
import org.espalier.api.Candidate;
import org.espalier.api.Capability;
import org.espalier.api.SearchContext;
import org.espalier.api.SearchStrategy;
import org.espalier.api.StrategyCard;

/**
 * Feynman-Kac particle steering (<a href="https://arxiv.org/abs/2501.06848">Singhal et al.
 * 2025</a>, tempering and effective sample size as in <a
 * href="https://arxiv.org/abs/2501.05803">Kim et al. 2025</a>): particles advance independently;
 * every few steps what they show is scored, and the population is resampled in proportion to {@code
 * exp(lambda * potential)}.
 */
final class ParticleSearch implements SearchStrategy, PopulationLoop.Roles {
  private static final StrategyCard CARD =
      StrategyCard.of(
          "particles",
          "Resamples a population by what its members show.",
          "https://arxiv.org/abs/2501.06848",
          Capability.STOCHASTIC_STEP,
          Capability.PREVIEW);
  private final ParticleSearchConfig config;
  private final PopulationLoop loop = new PopulationLoop(this);

  ParticleSearch(ParticleSearchConfig config) {
    this.config = config;
  }

  @Override
  public StrategyCard card() {
    return CARD;
  }

  @Override
  public Candidate search(SearchContext context) {
    return loop.search(
        context,
        config
            .particles()
            .value()
            .orElseGet(() -> Sizing.largest(context, size -> loop.cost(context, size))));
  }

  @Override
  public String name() {
    return "particles";
  }

  @Override
  public int initial(int size) {
    return size;
  }

  @Override
  public int children(int size) {
    return 1;
  }

  @Override
  public boolean scores(SearchContext context, int taken) {
    return taken >= config.from()
        && (taken - config.from()) % config.interval() == 0
        && PopulationLoop.canPart(context, taken);
  }

  @Override
  public List<PopulationLoop.Member> select(
      SearchContext context, int taken, int size, List<PopulationLoop.Member> members) {
    if (!scores(context, taken)) {
      return members;
    }
    double[] logs =
        members.stream()
            .mapToDouble(m -> m.logWeight() + config.lambda() * config.potential().of(m.scores()))
            .toArray();
    double[] weights = Resampling.normalise(logs);
    if (weights == null) {
      return members;
    }
    double effective = Resampling.effectiveSize(weights);
    for (int i = 0; i < members.size(); i++) {
      context.annotate(members.get(i).at(), Map.of("weight", weights[i], "ess", effective));
    }
    if (config.essThreshold() < 1 && effective >= config.essThreshold() * members.size()) {
      java.util.ArrayList<PopulationLoop.Member> weighed = new java.util.ArrayList<>();
      for (int i = 0; i < members.size(); i++) {
        weighed.add(members.get(i).weighing(StrictMath.log(weights[i])));
      }
      return weighed;
    }
    return config
        .resampling()
        .draw(members, weights, members.size(), context.stream("resample").child(taken));
  }

  @Override
  public long survivors(SearchContext context, int taken, int size, long members) {
    return members;
  }
}
