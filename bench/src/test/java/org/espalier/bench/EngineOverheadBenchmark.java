package org.espalier.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.commons.math3.stat.regression.SimpleRegression;
import org.espalier.api.Candidate;
import org.espalier.api.Draw;
import org.espalier.api.DrawKey;
import org.espalier.api.Expansion;
import org.espalier.api.Prompt;
import org.espalier.api.SearchContext;
import org.espalier.api.SearchStrategy;
import org.espalier.api.StrategyCard;
import org.espalier.api.Trajectory;
import org.espalier.api.Verdict;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Budget;
import org.espalier.compute.ComputeUnit;
import org.espalier.engine.EngineOptions;
import org.espalier.engine.SearchEngine;
import org.espalier.engine.SearchOutcome;
import org.espalier.engine.SearchRequest;
import org.espalier.testkit.TableVerifier;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.CommandLineOptionException;
import org.openjdk.jmh.runner.options.CommandLineOptions;
import org.openjdk.jmh.runner.options.Options;
import org.openjdk.jmh.runner.options.OptionsBuilder;

/**
 * What ledger, ownership, batching and tree log cost a verb: a search that expands and drops again
 * and again, over a model that does nothing. Read the time as nanoseconds per {@code expand} of
 * {@code rows} parents with one child each, its share of begin and end included; it should grow
 * linearly with the rows.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 10, time = 1)
@Measurement(iterations = 10, time = 1)
@Fork(2)
public class EngineOverheadBenchmark {
  private static final int VERBS = 1_000;

  /** Rows of a verb. */
  @Param({"1", "2", "4", "8", "16", "32"})
  public int rows;

  private SearchRequest request = request(1, new Expanding(1, List.of()));

  /** Prepares the search. */
  @Setup
  public void prepare() {
    List<Draw> draws = new ArrayList<>();
    for (int i = 0; i < rows; i++) {
      draws.add(Draw.fresh(DrawKey.root(i)));
    }
    request = request(rows, new Expanding(rows, draws));
  }

  private static SearchRequest request(int rows, SearchStrategy strategy) {
    return new SearchRequest(
        "bench",
        strategy,
        new FreeModel(VERBS + 1),
        Map.of(VerifierRole.SEARCH, new TableVerifier(image -> Verdict.scored(1))),
        Prompt.of("p", "p"),
        Budget.of(ComputeUnit.FLOPS, 1e15),
        DrawKey.root(1),
        EngineOptions.defaults().withBatch(Math.max(1, rows)));
  }

  private record Expanding(int rows, List<Draw> draws) implements SearchStrategy {
    @Override
    public StrategyCard card() {
      return StrategyCard.of("bench", "Expands.", "https://arxiv.org/abs/2510.16751");
    }

    @Override
    public Candidate search(SearchContext context) {
      List<Trajectory> front = context.begin(draws);
      for (int verb = 0; verb < VERBS; verb++) {
        List<Expansion> expansions = new ArrayList<>(rows);
        for (Trajectory each : front) {
          expansions.add(new Expansion(each, List.of(Draw.follow())));
        }
        List<Trajectory> next = new ArrayList<>(rows);
        context.expand(expansions).forEach(next::addAll);
        front = next;
        context.retainOnly(front);
      }
      context.verify(VerifierRole.SEARCH, context.complete(front.subList(0, 1)));
      return context.answer();
    }
  }

  /**
   * Runs the benchmark and prints a straight line through its means: what a verb costs, and what
   * each row adds.
   *
   * @param args JMH's own
   */
  public static void main(String[] args) throws CommandLineOptionException, RunnerException {
    SimpleRegression line = new SimpleRegression();
    Options options =
        new OptionsBuilder()
            .parent(new CommandLineOptions(args))
            .include(EngineOverheadBenchmark.class.getName())
            .build();
    for (RunResult result : new Runner(options).run()) {
      line.addData(
          Integer.parseInt(result.getParams().getParam("rows")),
          result.getPrimaryResult().getScore());
    }
    System.out.printf(
        Locale.ROOT,
        "%nA verb: %.0f ns, and %.0f ns (standard error %.0f) for each row; R^2 %.4f.%n",
        line.getIntercept(),
        line.getSlope(),
        line.getSlopeStdErr(),
        line.getRSquare());
  }

  /** One thousand verbs. */
  @Benchmark
  @OperationsPerInvocation(VERBS)
  public SearchOutcome expand() {
    return new SearchEngine().run(request);
  }
}
