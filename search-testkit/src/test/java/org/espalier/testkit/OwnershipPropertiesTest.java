package org.espalier.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.espalier.api.Candidate;
import org.espalier.api.Capability;
import org.espalier.api.Draw;
import org.espalier.api.DrawKey;
import org.espalier.api.EspalierException;
import org.espalier.api.Expansion;
import org.espalier.api.Prompt;
import org.espalier.api.Rewind;
import org.espalier.api.SearchContext;
import org.espalier.api.SearchStrategy;
import org.espalier.api.StrategyCard;
import org.espalier.api.Trajectory;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Budget;
import org.espalier.compute.ComputeUnit;
import org.espalier.engine.EngineOptions;
import org.espalier.engine.SearchEngine;
import org.espalier.engine.SearchListener;
import org.espalier.engine.SearchRequest;

/**
 * The life of native states under strategies that do anything that is legal, with models that fail
 * at any call: whatever happens, every state is closed once, after those that read it.
 */
class OwnershipPropertiesTest {

  /** Reads a list of numbers as a program of verbs. */
  private static final class Script implements SearchStrategy {
    private final List<Integer> program;

    Script(List<Integer> program) {
      this.program = program;
    }

    @Override
    public StrategyCard card() {
      return StrategyCard.of("script", "Anything legal.", "https://arxiv.org/abs/2510.16751");
    }

    @Override
    public Candidate search(SearchContext context) {
      List<Trajectory> held = new ArrayList<>();
      for (int at = 0; at < program.size(); at++) {
        int word = program.get(at);
        DrawKey key = context.stream("script").child(at);
        List<Trajectory> some = new ArrayList<>();
        for (int i = 0; i < held.size(); i++) {
          if (((word >> (i % 16)) & 1) == 1) {
            some.add(held.get(i));
          }
        }
        switch (word % 7) {
          case 0, 1 -> {
            List<Draw> draws = new ArrayList<>();
            for (int i = 0; i <= word % 3; i++) {
              draws.add(Draw.fresh(key.child(i)));
            }
            held.addAll(context.begin(draws));
          }
          case 2, 3 -> {
            List<Expansion> expansions = new ArrayList<>();
            for (Trajectory each : some) {
              if (!each.isComplete()) {
                expansions.add(new Expansion(each, List.of(Draw.follow(), Draw.fresh(key))));
              }
            }
            context.expand(expansions).forEach(held::addAll);
          }
          case 4 -> {
            List<Trajectory> ends = context.complete(some);
            context.verify(VerifierRole.SEARCH, ends);
            held.addAll(ends);
          }
          case 5 -> {
            context.retainOnly(some);
            held = some;
          }
          default -> {
            if (context.capabilities().contains(Capability.REWIND)) {
              List<Rewind> rewinds = new ArrayList<>();
              for (Trajectory each : some) {
                if (each.step() > 0) {
                  rewinds.add(new Rewind(each, each.step() / 2, Draw.fresh(key)));
                }
              }
              held.addAll(context.rewind(rewinds));
            } else {
              context.features(some.stream().filter(each -> each.step() > 0).toList());
            }
          }
        }
      }
      return context.answer();
    }
  }

  private static ToyModel model(int kind) {
    return switch (kind) {
      case 0 -> new ToyScaleModel(1, 2, 3, 4);
      case 1 -> new ToyFlowModel(ToyFlowModel.Sampler.SDE, 4);
      default -> new ToyFlowModel(ToyFlowModel.Sampler.ODE, 3);
    };
  }

  @Property(tries = 400)
  void closesEveryStateOnceWhateverHappens(
      @ForAll @Size(max = 30) List<@IntRange(max = 1 << 16) Integer> program,
      @ForAll @IntRange(max = 2) int kind,
      @ForAll @IntRange(max = 25) int failAt,
      @ForAll @IntRange(min = 1, max = 5) int batch,
      @ForAll @IntRange(min = 1, max = 30) int samples,
      @ForAll @IntRange(min = 8, max = 200) int trajectories) {
    ToyModel model = model(kind);
    TrackedModel tracked = new TrackedModel(model);
    TargetVerifier verifier = new TargetVerifier();
    Prompt prompt = Prompt.of("p", "anything");
    double flops = samples * ComputeUnit.FLOPS.of(SearchEngine.sampleCost(model, verifier, prompt));
    if (failAt > 0) {
      model.failAt(failAt);
    }
    try {
      new SearchEngine()
          .run(
              new SearchRequest(
                  "property",
                  new Script(program),
                  tracked,
                  Map.of(VerifierRole.SEARCH, verifier),
                  prompt,
                  Budget.of(ComputeUnit.FLOPS, flops),
                  DrawKey.root(1),
                  new EngineOptions(batch, trajectories, new FakeClock(), SearchListener.NONE)));
    } catch (EspalierException e) {
      // Injected, or too many trajectories, or no sample verified: all legal ends of this script.
      assertThat(e.code())
          .isIn(EspalierException.Code.NATIVE, EspalierException.Code.PLUGIN_CONTRACT);
    }
    assertThat(tracked.faults()).isEmpty();
    assertThat(tracked.liveStates()).isZero();
    assertThat(model.liveStates()).isZero();
  }
}
