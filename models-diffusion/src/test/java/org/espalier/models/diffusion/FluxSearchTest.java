package org.espalier.models.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.espalier.api.AutoInt;
import org.espalier.api.Candidate;
import org.espalier.api.Capability;
import org.espalier.api.Draw;
import org.espalier.api.EspalierException;
import org.espalier.api.Expansion;
import org.espalier.api.Prompt;
import org.espalier.api.Rewind;
import org.espalier.api.SearchContext;
import org.espalier.api.SearchStrategy;
import org.espalier.api.StrategyCard;
import org.espalier.api.Trajectory;
import org.espalier.api.Verdict;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Cost;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.RgbImage;
import org.espalier.spi.Work;
import org.espalier.testkit.ReferenceRandomSearch;
import org.espalier.testkit.SearchRun;
import org.espalier.testkit.SearchTestKit;
import org.espalier.testkit.TableVerifier;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Searches through the engine: what is charged is what the published accounting says. */
@NullUnmarked
class FluxSearchTest {
  @TempDir Path directory;

  private GenerativeModel load(String kind, int steps) {
    TinyFlux.bundle(
        directory.resolve("tiny"),
        TinyFlux.withoutGuidance(),
        "{\"steps\": %d, \"true_cfg\": 2.0}".formatted(steps));
    FlowSamplerConfig sampler = new FlowSamplerConfig(kind, null, null, null, null);
    return TinyFlux.load(TinyFlux.config("tiny", sampler, null), directory);
  }

  /** Likes bright images. */
  private static Verdict brightness(RgbImage image) {
    double sum = 0;
    for (byte value : image.rgb()) {
      sum += value & 0xff;
    }
    return Verdict.scored(sum / image.rgb().length);
  }

  private static SearchRun run(SearchStrategy strategy, GenerativeModel model) {
    return SearchTestKit.strategy(strategy)
        .model(model)
        .verifier(VerifierRole.SEARCH, new TableVerifier(FluxSearchTest::brightness))
        .nfe(100_000)
        .run();
  }

  /** FLOPs if each of so many evaluations and decodes was done once. */
  private static long flops(GenerativeModel model, long evaluations, long decodes) {
    Cost evaluation = model.quote(new Work.Step(Prompt.of("p", "three red circles"), 0, 1, false));
    Cost decode =
        model.quote(new Work.Decode(Prompt.of("p", "three red circles"), model.card().horizon()));
    Cost text = model.quote(new Work.Encode("three red circles"));
    return text.flops() + evaluations * evaluation.flops() + decodes * decode.flops();
  }

  @Test
  void independentSamplesCostTheirStepsEach() {
    try (GenerativeModel model = load("ode", 6)) {
      SearchRun run = run(new ReferenceRandomSearch(AutoInt.of(4)), model);
      run.hasSpent(24, 4).balances().leavesNothing();
      assertThat(run.spent().rows()).isEqualTo(48);
      assertThat(run.spent().flops()).isEqualTo(flops(model, 24, 4));
    }
  }

  /** Steers particles: previews each after every step and doubles the better half. */
  private record Particles(int count) implements SearchStrategy {
    @Override
    public StrategyCard card() {
      return StrategyCard.of(
          "particles",
          "Half of the particles go on, twice.",
          "https://arxiv.org/abs/2501.06848",
          Capability.STOCHASTIC_STEP,
          Capability.PREVIEW);
    }

    @Override
    public Candidate search(SearchContext context) {
      List<Draw> draws = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        draws.add(Draw.fresh(context.stream("sample").child(i)));
      }
      List<Trajectory> particles = context.begin(draws);
      for (int step = 0; step < context.horizon(); step++) {
        List<Expansion> batch = new ArrayList<>();
        for (int i = 0; i < count; i++) {
          Draw draw = Draw.fresh(context.stream("step").child((long) step * count + i));
          batch.add(new Expansion(particles.get(i), List.of(draw)));
        }
        List<Trajectory> moved = new ArrayList<>();
        context.expand(batch).forEach(moved::addAll);
        List<Candidate> scored = new ArrayList<>(context.verify(VerifierRole.SEARCH, moved));
        scored.sort(Comparator.comparingDouble(Candidate::rank).reversed());
        particles = new ArrayList<>();
        for (int i = 0; i < count; i++) {
          particles.add(scored.get(i / 2).trajectory());
        }
        context.retainOnly(particles);
      }
      return context.answer();
    }
  }

  @Test
  void particlesWithPreviewsPayEachEvaluationOnce() {
    try (GenerativeModel model = load("sde", 5)) {
      SearchRun run = run(new Particles(4), model);
      run.hasSpent(20, 20).balances().leavesNothing();
      // Roots: 4. After each of the first 4 steps all 4 children are previewed, which evaluates
      // them; the doubled ones reuse that. The last step's children are images.
      assertThat(run.spent().flops()).isEqualTo(flops(model, 4 + 4 * 4, 20));
    }
  }

  @Test
  void particlesAreRefusedOnAnOde() {
    try (GenerativeModel model = load("ode", 5)) {
      assertThatThrownBy(() -> run(new Particles(4), model))
          .isInstanceOf(EspalierException.class)
          .hasMessageStartingWith("[CAPABILITY] ")
          .hasMessageContaining("STOCHASTIC_STEP");
    }
  }

  /** Search over paths: re-noises a sample and finishes it anew. */
  private record Paths(int branches, int toStep) implements SearchStrategy {
    @Override
    public StrategyCard card() {
      return StrategyCard.of(
          "paths",
          "Re-noise and finish again.",
          "https://arxiv.org/abs/2501.09732",
          Capability.REWIND);
    }

    @Override
    public Candidate search(SearchContext context) {
      List<Trajectory> first =
          context.complete(context.begin(List.of(Draw.fresh(context.stream("sample").child(0)))));
      context.verify(VerifierRole.SEARCH, first);
      List<Rewind> rewinds = new ArrayList<>();
      for (int i = 0; i < branches; i++) {
        rewinds.add(
            new Rewind(first.get(0), toStep, Draw.fresh(context.stream("rewind").child(i))));
      }
      context.verify(VerifierRole.SEARCH, context.complete(context.rewind(rewinds)));
      return context.answer();
    }
  }

  @Test
  void rewoundSamplesPayForTheStepsTheyTakeAgain() {
    try (GenerativeModel model = load("ode", 6)) {
      SearchRun run = run(new Paths(3, 4), model);
      run.hasSpent(6 + 3 * 2, 4).balances().leavesNothing();
      assertThat(run.spent().flops()).isEqualTo(flops(model, 12, 4));
    }
  }

  @Test
  void theSameSearchTwiceIsTheSame() {
    try (GenerativeModel model = load("vp-sde", 4)) {
      assertThat(run(new Particles(2), model).fingerprint())
          .isEqualTo(run(new Particles(2), model).fingerprint());
    }
  }
}
