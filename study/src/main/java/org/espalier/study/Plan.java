package org.espalier.study;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.espalier.api.Candidate;
import org.espalier.api.Draw;
import org.espalier.api.DrawKey;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.api.SearchContext;
import org.espalier.api.SearchStrategy;
import org.espalier.api.StrategyCard;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Budget;
import org.espalier.compute.ComputeUnit;
import org.espalier.compute.Cost;
import org.espalier.engine.EngineOptions;
import org.espalier.engine.SearchEngine;
import org.espalier.engine.SearchOutcome;
import org.espalier.engine.SearchRequest;
import org.espalier.records.Amount;

/**
 * What a study would run and at most cost.
 *
 * @param cells searches
 * @param lines per arm, model and level
 * @param seconds wall time of all, from a short calibration, were every budget spent; NaN where a
 *     model could not take a sample
 * @param unmeasured models that could not take a sample, with the reason
 * @param diskBytes of the run directory, roughly
 * @param heapBytes of Java in use with all models loaded
 * @param residentBytes of the whole process, libtorch's weights among them; 0 where the system does
 *     not tell
 */
public record Plan(
    int cells,
    List<Line> lines,
    double seconds,
    Map<String, String> unmeasured,
    double diskBytes,
    long heapBytes,
    long residentBytes) {
  /** Samples taken of each model to estimate the time. */
  public static final int CALIBRATION = 2;

  /**
   * One line of the plan.
   *
   * @param arm what is compared
   * @param model name of the model
   * @param level the budget as written
   * @param cells searches
   * @param limit the budget of one
   * @param ledger of all, by the quotes, were the budget spent on whole samples
   * @param seconds wall time of all, were the budget spent
   */
  public record Line(
      String arm,
      String model,
      String level,
      int cells,
      double limit,
      Totals ledger,
      double seconds) {}

  /**
   * Sums over many searches. Those of a large study are beyond what a long holds, so they are
   * doubles, exact up to 2^53.
   *
   * @param nfe network evaluations
   * @param flops of models and verifiers
   * @param images decoded
   * @param verifierCalls images judged
   */
  public record Totals(double nfe, double flops, double images, double verifierCalls) {
    private static final Totals NONE = new Totals(0, 0, 0, 0);

    private Totals plus(Totals other) {
      return new Totals(
          nfe + other.nfe,
          flops + other.flops,
          images + other.images,
          verifierCalls + other.verifierCalls);
    }

    private static Totals of(Cost cost, double times) {
      return new Totals(
          cost.nfe() * times,
          ((double) cost.flops() + cost.verifierFlops()) * times,
          cost.decodes() * times,
          cost.verifierCalls() * times);
    }
  }

  /** The ledger of all lines. */
  public Totals ledger() {
    return lines.stream().map(Line::ledger).reduce(Totals.NONE, Totals::plus);
  }

  /**
   * Plans a study; takes {@link #CALIBRATION} samples of each model to estimate the time.
   *
   * @param loaded the study
   */
  public static Plan of(LoadedStudy loaded) {
    Study study = loaded.study();
    ComputeUnit unit = study.spec().budgets().unitOrDefault();
    Map<String, Double> secondsAUnit = new HashMap<>();
    Map<String, String> unmeasured = new LinkedHashMap<>();
    for (String model : loaded.models().keySet()) {
      try {
        secondsAUnit.put(model, calibrate(loaded, model, unit));
      } catch (EspalierException e) {
        // A plan prices a study; whether its models work is for the run to say.
        secondsAUnit.put(model, Double.NaN);
        unmeasured.put(model, String.valueOf(e.getMessage()));
      }
    }
    int cellsALine = study.prompts().size() * study.spec().seedCount();
    List<Line> lines = new ArrayList<>();
    double seconds = 0;
    double disk = 0;
    for (Study.Arm arm : study.arms()) {
      for (String model : arm.models()) {
        for (Amount level : arm.levels()) {
          double limit = loaded.budget(level).limit();
          double wall = cellsALine * limit * secondsAUnit.getOrDefault(model, 0.0);
          Totals ledger = ledger(loaded, arm, model, limit);
          lines.add(new Line(arm.label(), model, level.label(), cellsALine, limit, ledger, wall));
          seconds += wall;
          int pixels = loaded.model(model).card().width() * loaded.model(model).card().height();
          double images = limit / Math.max(1e-9, loaded.oneSample(unit));
          // PNG about 1.5 bytes a pixel; thumbnail, tree node and record lines about 4 kB a sample.
          disk += cellsALine * (1.5 * pixels + 4096 * (1 + images));
        }
      }
    }
    Runtime runtime = Runtime.getRuntime();
    return new Plan(
        cellsALine * lines.size(),
        lines,
        seconds / study.spec().engineOrDefault().jobsOrDefault(),
        unmeasured,
        disk,
        runtime.totalMemory() - runtime.freeMemory(),
        resident());
  }

  private static Totals ledger(LoadedStudy loaded, Study.Arm arm, String model, double limit) {
    Study study = loaded.study();
    ComputeUnit unit = study.spec().budgets().unitOrDefault();
    Totals sum = Totals.NONE;
    for (Prompt prompt : study.prompts()) {
      Cost sample = loaded.sampleCost(arm, model, prompt);
      double samples = Math.max(1, Math.floor(limit / unit.of(sample) + 1e-9));
      sum = sum.plus(Totals.of(sample, samples * study.spec().seedCount()));
    }
    return sum;
  }

  private static long resident() {
    try (Stream<String> lines = Files.lines(Path.of("/proc/self/status"))) {
      return lines
          .filter(line -> line.startsWith("VmRSS:"))
          .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) * 1024)
          .findFirst()
          .orElse(0);
    } catch (IOException | UncheckedIOException | NumberFormatException e) {
      return 0;
    }
  }

  /** Wall seconds a unit of budget, the first sample left out as warm-up. */
  private static double calibrate(LoadedStudy loaded, String model, ComputeUnit unit) {
    Prompt prompt = loaded.study().prompts().get(0);
    SearchEngine engine = new SearchEngine();
    double best = Double.POSITIVE_INFINITY;
    for (int i = 0; i < CALIBRATION; i++) {
      Cost sample = loaded.sampleCost(model, prompt);
      SearchOutcome outcome =
          engine.run(
              new SearchRequest(
                  "calibration",
                  new OneSample(),
                  loaded.model(model),
                  Map.of(VerifierRole.SEARCH, loaded.searchVerifier()),
                  prompt,
                  new Budget(unit, unit.of(sample), loaded.budget(Amount.of("1x")).caps()),
                  DrawKey.root(0),
                  EngineOptions.defaults()));
      best = Math.min(best, outcome.wallNanos() * 1e-9 / unit.of(sample));
    }
    return best;
  }

  private static final class OneSample implements SearchStrategy {
    @Override
    public StrategyCard card() {
      return StrategyCard.of("one-sample", "Takes one sample.", "https://arxiv.org/abs/2510.16751");
    }

    @Override
    public Candidate search(SearchContext context) {
      context.verify(
          VerifierRole.SEARCH,
          context.complete(
              context.begin(List.of(Draw.fresh(context.stream("calibration").child(0))))));
      return context.incumbent().orElseThrow();
    }
  }

  /**
   * A duration for people: {@code 1 h 5 min}.
   *
   * @param seconds not negative, or NaN where it is unknown
   */
  public static String duration(double seconds) {
    if (Double.isNaN(seconds)) {
      return "unknown";
    }
    if (seconds < 120) {
      return String.format(Locale.ROOT, "%.1f s", seconds);
    }
    long minutes = Math.round(seconds / 60);
    return minutes < 120 ? minutes + " min" : minutes / 60 + " h " + minutes % 60 + " min";
  }
}
