package org.espalier.search.beam;

import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import org.espalier.api.EspalierException;
import org.espalier.api.SearchContext;
import org.espalier.api.Trajectory;

/**
 * Beam search over prefixes (<a href="https://arxiv.org/abs/2510.16751">Riise et al. 2025</a>).
 * After each step every candidate is judged, by default by its complete image, and the best {@code
 * width} prefixes are kept; each of them then gets {@code candidates} new children. The first
 * step's candidates are the samples {@code stream("sample").child(i)}, whose roll-outs are
 * therefore the images that best-of-N would draw.
 *
 * <p>With full roll-outs over K steps and w*c candidates the cost is {@code w*c*K*(K+1)/2} network
 * evaluations by the published convention and {@code w*c*K} images. Steps at which the model is
 * deterministic are followed without candidates.
 */
record BeamRoles(BeamSearchConfig config, int mostSteps, List<Integer> at)
    implements PopulationLoop.Roles {
  BeamRoles(BeamSearchConfig config) {
    this(config, config.searchedSteps().value().orElse(Integer.MAX_VALUE), config.at());
  }

  @Override
  public String name() {
    return "beam";
  }

  @Override
  public int initial(int size) {
    return config.width() * size;
  }

  /** Until the first selection the samples advance alone. */
  @Override
  public int children(int step, int size) {
    return (at.isEmpty() ? step >= firstJudged() : at.contains(step)) ? size : 1;
  }

  private int firstJudged() {
    return config.preview() == Preview.PARTIAL ? config.partialFrom() : 1;
  }

  /** None after the last step at which children can differ. */
  @Override
  public int steps(SearchContext context) {
    if (!at.isEmpty()) {
      int last = at.get(at.size() - 1);
      if (last >= context.horizon()) {
        throw EspalierException.config(
            "The decision point (%d) is not below the model's %d steps."
                .formatted(last, context.horizon()),
            "Maybe set the last of strategy.at to at most " + (context.horizon() - 1) + ".");
      }
      // The children of the last selected prefixes are rolled out from their first step.
      return last + 1;
    }
    int searched = Math.min(context.horizon(), mostSteps);
    while (searched > 1 && !context.isStochastic(searched - 1)) {
      searched--;
    }
    return searched;
  }

  @Override
  public Optional<PopulationLoop.Roles> shorter(SearchContext context) {
    if (!at.isEmpty()) {
      return at.size() == 1
          ? Optional.empty()
          : Optional.of(new BeamRoles(config, mostSteps, at.subList(0, at.size() - 1)));
    }
    int fewer = steps(context) - 1;
    return config.searchedSteps().isAuto() && fewer >= firstJudged()
        ? Optional.of(new BeamRoles(config, fewer, at))
        : Optional.empty();
  }

  /** The first judgement is worth its cost anywhere, since the roots differ. */
  @Override
  public boolean scores(SearchContext context, int taken) {
    if (!at.isEmpty()) {
      return at.contains(taken);
    }
    return taken == firstJudged() || (taken > firstJudged() && context.isStochastic(taken - 1));
  }

  @Override
  public List<Trajectory> show(SearchContext context, List<Trajectory> members) {
    if (config.preview() == Preview.ROLLOUT) {
      return context.complete(members);
    }
    return PopulationLoop.follow(context, members, shown(context, members.get(0).step()));
  }

  @Override
  public int shown(SearchContext context, int taken) {
    return switch (config.preview()) {
      case ROLLOUT -> context.horizon();
      case PARTIAL -> taken;
      case LOOKAHEAD -> Math.min(context.horizon(), taken + config.lookahead());
    };
  }

  @Override
  public List<PopulationLoop.Member> select(
      SearchContext context, int taken, int size, List<PopulationLoop.Member> members) {
    if (!scores(context, taken)) {
      return members;
    }
    // Stable: ties go to the earlier candidate.
    return members.stream()
        .sorted(Comparator.comparingDouble(PopulationLoop.Member::latest).reversed())
        .limit(config.width())
        .toList();
  }

  @Override
  public long survivors(SearchContext context, int taken, int size, long members) {
    return scores(context, taken) ? Math.min(members, config.width()) : members;
  }

  @Override
  public String reason() {
    return "below top " + config.width();
  }

  @Override
  public boolean elite() {
    return config.elite();
  }

  @Override
  public Answer answer() {
    return config.answer();
  }
}
