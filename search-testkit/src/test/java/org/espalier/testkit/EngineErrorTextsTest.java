package org.espalier.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
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
import org.espalier.compute.Budget;
import org.espalier.compute.ComputeUnit;
import org.espalier.engine.EngineOptions;
import org.junit.jupiter.api.Test;

/** The engine's error texts, word for word: they are part of what users see. */
class EngineErrorTextsTest {
  private final Map<String, String> texts = new LinkedHashMap<>();

  private void record(String what, Runnable action) {
    try {
      action.run();
      texts.put(what, "(no error)");
    } catch (EspalierException e) {
      texts.put(what, String.valueOf(e.getMessage()));
    }
  }

  private static SearchStrategy strategy(
      Function<SearchContext, Candidate> search, Capability... requires) {
    return new SearchStrategy() {
      @Override
      public StrategyCard card() {
        return StrategyCard.of("golden", "Errs.", "https://arxiv.org/abs/2510.16751", requires);
      }

      @Override
      public Candidate search(SearchContext context) {
        return search.apply(context);
      }
    };
  }

  private void search(String what, Function<SearchContext, Candidate> search) {
    record(what, () -> SearchTestKit.strategy(strategy(search)).samples(3).run());
  }

  private static List<Trajectory> root(SearchContext context) {
    return context.begin(List.of(Draw.fresh(context.stream("sample").child(0))));
  }

  private static Candidate sample(SearchContext context) {
    return context.verify(VerifierRole.SEARCH, context.complete(root(context))).get(0);
  }

  @Test
  void areTheseWordForWord() throws IOException {
    record("budget: no limit", () -> Budget.of(ComputeUnit.FLOPS, 0));
    record("budget: seconds as the unit", () -> Budget.of(ComputeUnit.SECONDS, 60));
    record(
        "budget: negative cap",
        () -> new Budget(ComputeUnit.FLOPS, 1, Map.of(ComputeUnit.NFE, -1.0)));
    record("options: batch", () -> EngineOptions.defaults().withBatch(0));
    record("prompt: empty id", () -> Prompt.of("", "a cube"));
    record(
        "draw: radius",
        () ->
            Draw.near(
                Draw.fresh(org.espalier.api.DrawKey.root(1)),
                org.espalier.api.DrawKey.root(2),
                1.5));
    record(
        "budget: below one sample",
        () ->
            SearchTestKit.strategy(strategy(EngineErrorTextsTest::sample))
                .budget(new Budget(ComputeUnit.NFE, 12, Map.of(ComputeUnit.VERIFIER_CALLS, 10.0)))
                .run());
    record(
        "budget: unbounded verb",
        () ->
            SearchTestKit.strategy(strategy(EngineErrorTextsTest::sample))
                .budget(Budget.of(ComputeUnit.DOLLARS, 100))
                .run());
    record(
        "capability: stochastic step",
        () ->
            SearchTestKit.strategy(
                    strategy(EngineErrorTextsTest::sample, Capability.STOCHASTIC_STEP))
                .model(ToyFlowModel.ode())
                .run());
    record(
        "capability: rewind",
        () ->
            SearchTestKit.strategy(strategy(EngineErrorTextsTest::sample, Capability.REWIND))
                .run());
    search(
        "capability: undeclared rewind",
        context ->
            context
                .verify(
                    VerifierRole.SEARCH,
                    context.rewind(
                        List.of(
                            new Rewind(
                                sample(context).trajectory(), 1, Draw.fresh(context.stream("x"))))))
                .get(0));
    search(
        "capability: missing role",
        context -> context.verify(VerifierRole.PRIOR, List.of()).get(0));
    search(
        "contract: dropped handle",
        context -> {
          List<Trajectory> root = root(context);
          context.retainOnly(List.of());
          context.complete(root);
          return context.answer();
        });
    search(
        "contract: expand a complete sample",
        context -> {
          context.expand(
              List.of(new Expansion(sample(context).trajectory(), List.of(Draw.follow()))));
          return context.answer();
        });
    search(
        "contract: expansion without draws",
        context -> {
          context.expand(List.of(new Expansion(root(context).get(0), List.of())));
          return context.answer();
        });
    search(
        "contract: follow at the root",
        context -> {
          context.begin(List.of(Draw.follow()));
          return context.answer();
        });
    search(
        "contract: unverified answer",
        context -> {
          sample(context);
          return new Candidate(context.complete(root(context)).get(0), Verdict.scored(1));
        });
    search(
        "contract: fact that is no number",
        context -> {
          Candidate only = sample(context);
          context.annotate(only.trajectory(), Map.of("uct", Double.POSITIVE_INFINITY));
          return only;
        });
    record("contract: score that is no number", () -> Verdict.scored(Double.NaN));
    record(
        "native: failing model",
        () -> {
          ToyScaleModel model = new ToyScaleModel();
          model.failAt(2);
          SearchTestKit.strategy(strategy(EngineErrorTextsTest::sample)).model(model).run();
        });
    record(
        "native: every verdict failed",
        () ->
            SearchTestKit.strategy(
                    strategy(
                        context -> {
                          sample(context);
                          return context.answer();
                        }))
                .verifier(
                    VerifierRole.SEARCH, new TableVerifier(image -> new Verdict.Failed("mute")))
                .run());
    record(
        "resource: too many trajectories",
        () ->
            SearchTestKit.strategy(
                    strategy(
                        context -> {
                          while (true) {
                            root(context);
                          }
                        }))
                .trajectories(10)
                .run());

    StringBuilder actual = new StringBuilder();
    texts.forEach(
        (what, text) -> actual.append("# ").append(what).append('\n').append(text).append("\n\n"));
    Path written = Path.of("target", "engine-errors.txt");
    if (Files.isDirectory(Path.of("target"))) {
      Files.writeString(written, actual);
    }
    assertThat(actual.toString())
        .as("compare target/engine-errors.txt with src/test/resources/golden/engine-errors.txt")
        .isEqualTo(golden());
  }

  private static String golden() throws IOException {
    try (InputStream in =
        Objects.requireNonNull(
            EngineErrorTextsTest.class.getResourceAsStream("/golden/engine-errors.txt"))) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }
}
