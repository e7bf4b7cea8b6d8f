package org.espalier.search.beam;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.espalier.api.SearchContext;

/**
 * Feynman-Kac particle steering (<a href="https://arxiv.org/abs/2501.06848">Singhal et al.
 * 2025</a>, tempering and effective sample size as in <a
 * href="https://arxiv.org/abs/2501.05803">Kim et al. 2025</a>): particles advance independently;
 * every few steps what they show is scored, and the population is resampled in proportion to {@code
 * exp(lambda * potential)}.
 */
record ParticleRoles(ParticleSearchConfig config) implements PopulationLoop.Roles {
  @Override
  public String name() {
    return "particles";
  }

  @Override
  public int initial(int size) {
    return size;
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
      List<PopulationLoop.Member> weighed = new ArrayList<>();
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
