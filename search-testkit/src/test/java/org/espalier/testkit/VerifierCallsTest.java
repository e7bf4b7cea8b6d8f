package org.espalier.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import org.espalier.api.AutoInt;
import org.espalier.api.BudgetExhaustedException;
import org.espalier.api.Candidate;
import org.espalier.api.Draw;
import org.espalier.api.DrawKey;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.api.SearchContext;
import org.espalier.api.SearchStrategy;
import org.espalier.api.StrategyCard;
import org.espalier.api.Verdict;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Accuracy;
import org.espalier.compute.Budget;
import org.espalier.compute.ComputeUnit;
import org.espalier.compute.Cost;
import org.espalier.engine.EngineOptions;
import org.espalier.engine.Retry;
import org.espalier.engine.SearchEngine;
import org.espalier.engine.SearchOutcome;
import org.espalier.engine.SearchRequest;
import org.espalier.spi.Judgement;
import org.espalier.spi.RgbImage;
import org.espalier.spi.TransientFailure;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierCard;
import org.espalier.spi.WorkCounters;
import org.junit.jupiter.api.Test;

/** How the engine calls verifiers: retries, side by side, and trusting nothing. */
class VerifierCallsTest {

  /** Judges by a function of the call's number and its batch. */
  private static final class Scripted implements Verifier {
    private final VerifierCard card;
    private final Function<List<Judgement>, List<Verdict>> script;
    private final Cost each;

    Scripted(VerifierCard card, Cost each, Function<List<Judgement>, List<Verdict>> script) {
      this.card = card;
      this.each = each;
      this.script = script;
    }

    @Override
    public VerifierCard card() {
      return card;
    }

    @Override
    public Cost quote(Prompt prompt, int width, int height, int images) {
      return each.times(images);
    }

    @Override
    public List<Verdict> verify(List<Judgement> batch) {
      return script.apply(batch);
    }

    @Override
    public WorkCounters counters() {
      return WorkCounters.ZERO;
    }

    @Override
    public void close() {}
  }

  private static final VerifierCard CARD = VerifierCard.of("scripted", "redness", "[0, 255]");

  private static List<Verdict> redness(List<Judgement> batch) {
    return batch.stream()
        .map(judgement -> Verdict.scored(judgement.artifact().image().at(0, 0, 0)))
        .toList();
  }

  private static SearchOutcome search(Verifier verifier, Retry retry) {
    return new SearchEngine()
        .run(
            new SearchRequest(
                "x",
                new ReferenceRandomSearch(AutoInt.of(3)),
                new ToyScaleModel(1, 2),
                Map.of(VerifierRole.SEARCH, verifier),
                Prompt.of("p", "p"),
                Budget.of(ComputeUnit.NFE, 100),
                DrawKey.root(1),
                EngineOptions.defaults().withClock(new FakeClock()).withRetry(retry)));
  }

  @Test
  void aTransientFailureIsTriedAgainWithPausesThatDouble() {
    List<Duration> pauses = new ArrayList<>();
    AtomicInteger calls = new AtomicInteger();
    Verifier flaky =
        new Scripted(
            CARD,
            Cost.verify(1, 0),
            batch -> {
              int call = calls.incrementAndGet();
              if (call < 4) {
                Duration said = call == 2 ? Duration.ofMinutes(5) : null;
                throw new TransientFailure("The server is busy.", null, said, null);
              }
              return redness(batch);
            });
    Retry retry = new Retry(5, Duration.ofMillis(100), Duration.ofSeconds(2), pauses::add);
    SearchOutcome outcome = search(flaky, retry);
    assertThat(pauses)
        .as("the second as the server says, but no longer than the longest")
        .containsExactly(Duration.ofMillis(100), Duration.ofSeconds(2), Duration.ofMillis(400));
    assertThat(outcome.ledger().total().verifierCalls()).as("charged once each").isEqualTo(3);
  }

  @Test
  void aFailureThatDoesNotPassIsAResourceError() {
    List<Duration> pauses = new ArrayList<>();
    Verifier dead =
        new Scripted(
            CARD,
            Cost.verify(1, 0),
            batch -> {
              throw new TransientFailure("The server is down.", "Maybe start it.", null, null);
            });
    assertThatThrownBy(
            () ->
                search(
                    dead, new Retry(3, Duration.ofMillis(1), Duration.ofSeconds(1), pauses::add)))
        .isInstanceOfSatisfying(
            EspalierException.class,
            e -> assertThat(e.code()).isEqualTo(EspalierException.Code.RESOURCE))
        .hasMessage("[RESOURCE] The server is down.\nMaybe start it.");
    assertThat(pauses).hasSize(2);
  }

  @Test
  void callsRunSideBySideWhereTheCardAllowsIt() {
    CyclicBarrier both = new CyclicBarrier(2);
    Verifier served =
        new Scripted(
            CARD.withConcurrency(2).withAccuracy(Accuracy.ESTIMATED),
            Cost.verify(1, 10).withService(7, 3),
            batch -> {
              try {
                both.await(20, TimeUnit.SECONDS);
              } catch (Exception e) {
                throw new IllegalStateException("the other search did not come", e);
              }
              return redness(batch);
            });
    List<CompletableFuture<SearchOutcome>> searches = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      searches.add(CompletableFuture.supplyAsync(() -> search(served, Retry.none())));
    }
    for (CompletableFuture<SearchOutcome> search : searches) {
      SearchOutcome outcome = search.join();
      assertThat(outcome.accuracy()).isEqualTo(Accuracy.ESTIMATED);
      Cost total = outcome.ledger().total();
      assertThat(List.of(total.verifierFlops(), total.verifierTokens(), total.microDollars()))
          .as("charged as quoted")
          .containsExactly(30L, 21L, 9L);
    }
  }

  @Test
  void nobodyPaintsOverAnImage() {
    Verifier painter =
        new Scripted(
            CARD,
            Cost.verify(1, 0),
            batch -> {
              List<Verdict> verdicts = redness(batch);
              batch.forEach(
                  judgement -> Arrays.fill(judgement.artifact().image().rgb(), (byte) 255));
              return verdicts;
            });
    Verifier honest = new Scripted(CARD, Cost.verify(1, 0), VerifierCallsTest::redness);
    RgbImage painted = search(painter, Retry.none()).image();
    assertThat(painted.rgb()).isEqualTo(search(honest, Retry.none()).image().rgb());
  }

  @Test
  void evaluatorsPassTheChecksOfVerifiers() {
    RgbImage image = new RgbImage(1, 1, new byte[] {9, 9, 9});
    Prompt prompt = Prompt.of("p", "p");
    EngineOptions options = EngineOptions.defaults();
    Verifier honest = new Scripted(CARD, Cost.verify(1, 0), VerifierCallsTest::redness);
    assertThat(SearchEngine.judge(honest, "c", prompt, image, options).verdict())
        .isEqualTo(Verdict.scored(9));
    Map<String, Verifier> faulty =
        Map.of(
            "no verdict", new Scripted(CARD, Cost.verify(1, 0), batch -> List.of()),
            "a null", new Scripted(CARD, Cost.verify(1, 0), batch -> Arrays.asList((Verdict) null)),
            "no call quoted", new Scripted(CARD, Cost.ZERO, VerifierCallsTest::redness),
            "a refusal of its own",
                new Scripted(
                    CARD,
                    Cost.verify(1, 0),
                    batch -> {
                      throw new BudgetExhaustedException("the verifier says so");
                    }));
    faulty.forEach(
        (what, verifier) ->
            assertThatThrownBy(() -> SearchEngine.judge(verifier, "c", prompt, image, options))
                .as(what)
                .isInstanceOfSatisfying(
                    EspalierException.class,
                    e -> assertThat(e.code()).isEqualTo(EspalierException.Code.PLUGIN_CONTRACT)));
  }

  @Test
  void aPriorWithoutCostIsCapped() {
    SearchRun run =
        SearchTestKit.strategy(
                new SearchStrategy() {
                  @Override
                  public StrategyCard card() {
                    return new StrategyCard(
                        "asks",
                        "Asks the prior for ever.",
                        URI.create("https://example.org"),
                        Set.of(),
                        Set.of(VerifierRole.SEARCH, VerifierRole.PRIOR));
                  }

                  @Override
                  public Candidate search(SearchContext context) {
                    var end =
                        context.complete(
                            context.begin(List.of(Draw.fresh(context.stream("sample").child(0)))));
                    context.verify(VerifierRole.SEARCH, end);
                    while (true) {
                      context.verify(VerifierRole.PRIOR, end);
                    }
                  }
                })
            .verifier(
                VerifierRole.PRIOR,
                new Scripted(CARD, Cost.verify(1, 0), VerifierCallsTest::redness))
            .samples(2)
            .run();
    assertThat(run.outcome().budget().caps()).containsKey(ComputeUnit.VERIFIER_CALLS);
    assertThat(run.outcome().stop()).isEqualTo(SearchOutcome.Stop.EXHAUSTED);
  }
}
