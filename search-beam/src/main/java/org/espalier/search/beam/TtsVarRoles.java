package org.espalier.search.beam;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.espalier.api.SearchContext;

/**
 * TTS-VAR (<a href="https://arxiv.org/abs/2507.18537">Chen et al. 2025</a>): a population that
 * shrinks as scales grow, 8N, 8N, 6N, 6N, 6N, 4N, 2N, 2N, 2N, N, N, N, N. Where it shrinks early
 * (before the scales 2 and 5), scores say little yet, and members are chosen for diversity, one
 * nearest to the centre of each cluster; where it shrinks later (before the scales 6 and 9),
 * members are resampled in proportion to {@code exp(lambda * score)} of what they show.
 *
 * <p>The paper's {@code lambda} of 10 belongs to ImageReward. The best of 96 images of a prompt is
 * 0.61 above the average by ImageReward (<a href="https://arxiv.org/abs/2501.09732">Ma et al.
 * 2025</a>, FLUX.1-dev on DrawBench), which is 2.5 standard deviations of a normal distribution: so
 * one is about 0.25, and the weights of two members that differ by one deviation differ by a factor
 * of exp(2.5). By default they do whatever the verifier's scale is; taken literally, 10 would
 * hardly select at all by a verifier whose scores of a prompt's images differ by hundredths.
 *
 * <p>The paper clusters DINOv2 features; here they are the coarse mean colours of {@link
 * SearchContext#features}, which need no further network and say less about content.
 */
record TtsVarRoles(TtsVarSearchConfig config) implements PopulationLoop.Roles {
  private static final int[] SCHEDULE = {8, 8, 6, 6, 6, 4, 2, 2, 2, 1, 1, 1, 1};

  /** The paper's lambda in standard deviations of ImageReward. */
  private static final double SHARPNESS = 2.5;

  /** Scales before this one shrink the population by clusters, later ones by score. */
  private static final int SCORED_FROM = 6;

  @Override
  public String name() {
    return "tts-var";
  }

  @Override
  public int least() {
    return 1;
  }

  @Override
  public int initial(int size) {
    return SCHEDULE[0] * size;
  }

  /** The published scale that a step of this model stands for. */
  private static int scale(SearchContext context, int step) {
    return Math.min(SCHEDULE.length - 1, step * SCHEDULE.length / context.horizon());
  }

  private static boolean shrinks(SearchContext context, int taken) {
    return SCHEDULE[scale(context, taken)] < SCHEDULE[scale(context, taken - 1)];
  }

  private boolean clusters(SearchContext context, int taken) {
    return shrinks(context, taken) && scale(context, taken) < SCORED_FROM;
  }

  @Override
  public boolean scores(SearchContext context, int taken) {
    return shrinks(context, taken) && !clusters(context, taken);
  }

  @Override
  public List<PopulationLoop.Member> select(
      SearchContext context, int taken, int size, List<PopulationLoop.Member> members) {
    int count = (int) survivors(context, taken, size, members.size());
    if (count == members.size()) {
      return members;
    }
    if (clusters(context, taken)) {
      if (!config.clustering()) {
        return members.subList(0, count);
      }
      List<float[]> features =
          context.features(members.stream().map(PopulationLoop.Member::at).toList());
      List<PopulationLoop.Member> chosen = new ArrayList<>();
      Clusters.representatives(features, count).forEach(i -> chosen.add(members.get(i)));
      return chosen;
    }
    double lambda = lambda(members);
    double[] weights =
        Resampling.normalise(members.stream().mapToDouble(m -> lambda * m.latest()).toArray());
    return weights == null
        ? members.subList(0, count)
        : Resampling.MULTINOMIAL.draw(
            members, weights, count, context.stream("resample").child(taken));
  }

  /** Weight of a unit of score. */
  private double lambda(List<PopulationLoop.Member> members) {
    Double given = config.lambda();
    if (given != null) {
      return given;
    }
    double[] scores =
        members.stream()
            .mapToDouble(PopulationLoop.Member::latest)
            .filter(Double::isFinite)
            .toArray();
    double mean = Arrays.stream(scores).average().orElse(0);
    double variance =
        Arrays.stream(scores).map(score -> (score - mean) * (score - mean)).average().orElse(0);
    return variance > 0 ? SHARPNESS / Math.sqrt(variance) : 0;
  }

  @Override
  public long survivors(SearchContext context, int taken, int size, long members) {
    return Math.min(members, (long) SCHEDULE[scale(context, taken)] * size);
  }
}
