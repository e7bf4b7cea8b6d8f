package org.espalier.cli;

import com.google.inject.Inject;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.espalier.api.DrawKey;
import org.espalier.api.Prompt;
import org.espalier.api.VerifierRole;
import org.espalier.bench.PeakMemory;
import org.espalier.compute.Budget;
import org.espalier.compute.ComputeUnit;
import org.espalier.compute.Cost;
import org.espalier.compute.Phase;
import org.espalier.engine.EngineOptions;
import org.espalier.engine.SearchEngine;
import org.espalier.engine.SearchOutcome;
import org.espalier.engine.SearchRequest;
import org.espalier.plugins.PluginRegistry;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.Verifier;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code espalier bench search}: a whole search against as many single samples. */
@Command(
    name = "search",
    description = "Times a whole search, decoding and verifying included.",
    mixinStandardHelpOptions = true)
final class BenchSearchCommand implements Callable<Integer> {
  private final PluginRegistry registry;
  private final SearchEngine engine;
  private final Terminal terminal;

  @Mixin BenchOptions options = new BenchOptions();

  @Option(
      names = "--strategy",
      paramLabel = "ID",
      description = "Strategy; default: ${DEFAULT-VALUE}.",
      defaultValue = "beam")
  String strategy = "beam";

  @Option(
      names = "--width",
      paramLabel = "N",
      description = "Beams kept; default: ${DEFAULT-VALUE}.",
      defaultValue = "3")
  int width = 3;

  @Option(
      names = "--candidates",
      paramLabel = "N",
      description = "Children of a beam; default: ${DEFAULT-VALUE}.",
      defaultValue = "5")
  int candidates = 5;

  @Option(
      names = "--verifier",
      paramLabel = "YAML",
      description = "Verifier; default: ${DEFAULT-VALUE}.",
      defaultValue = "{id: clip, weights: nano}")
  String verifier = "{id: clip, weights: nano}";

  @Option(
      names = "--batch",
      paramLabel = "N",
      description = "Rows handed to a network at once; default: ${DEFAULT-VALUE}.",
      defaultValue = "5")
  int batch = 5;

  @Inject
  BenchSearchCommand(PluginRegistry registry, SearchEngine engine, Terminal terminal) {
    this.registry = registry;
    this.engine = engine;
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    BenchOptions.requirePositive("--batch", List.of(batch));
    BenchOptions.requirePositive("--width", List.of(width));
    BenchOptions.requirePositive("--candidates", List.of(candidates));
    Prompt prompt = Prompt.of("bench", "a red circle");
    PluginRegistry.BoundStrategy search =
        registry.strategy(Snippets.plugin("--strategy", strategy, settings()));
    PluginRegistry.BoundStrategy single =
        registry.strategy(Snippets.plugin("--strategy", "single", Map.of()));
    try (GenerativeModel model = options.load(registry);
        Verifier judge =
            registry
                .verifier(Snippets.plugin("--verifier", verifier))
                .loader()
                .apply(options.context(registry))) {
      run(single, model, judge, prompt, 0); // a warm-up
      double[] alone = new double[options.repeat];
      for (int i = 0; i < alone.length; i++) {
        alone[i] = run(single, model, judge, prompt, i + 1).wallNanos() * 1e-9;
      }
      try (PeakMemory peak = new PeakMemory(options.torchDevice())) {
        SearchOutcome outcome = run(search, model, judge, prompt, 1);
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("model", options.model);
        result.put("strategy", search.config());
        result.put("device", options.device);
        result.put("deviceGiB", peak.gib());
        result.putAll(figures(outcome, BenchOptions.median(alone)));
        print(result);
      }
    }
    return ExitCode.DONE.code();
  }

  /** What the options set of the strategy: nothing but of a beam. */
  private Map<String, Object> settings() {
    return strategy.equals("beam")
        ? Map.of("width", width, "candidates", candidates, "preview", "rollout")
        : Map.of();
  }

  /**
   * @param outcome of the search
   * @param one seconds of a single sample
   */
  private static Map<String, Object> figures(SearchOutcome outcome, double one) {
    Cost spent = outcome.ledger().total();
    double seconds = outcome.wallNanos() * 1e-9;
    Map<String, Object> result = new LinkedHashMap<>();
    result.put("seconds", seconds);
    result.put("nfe", spent.nfe());
    result.put("rows", spent.rows());
    result.put("images", spent.decodes());
    result.put("verifierCalls", spent.verifierCalls());
    result.put("secondsPerImage", seconds / spent.decodes());
    result.put("secondsOfASingleSample", one);
    result.put("timesFasterThanSingleSamples", one * spent.decodes() / seconds);
    result.put("teraflopsAchieved", spent.flops() / seconds * 1e-12);
    result.put("engineSeconds", outcome.engineNanos() * 1e-9);
    result.put("replayedNfe", outcome.ledger().phase(Phase.REPLAY).nfe());
    outcome
        .ledger()
        .byPhase()
        .forEach((phase, cost) -> result.put("seconds." + phase, cost.wallNanos() * 1e-9));
    return result;
  }

  private void print(Map<String, Object> result) {
    if (options.json) {
      terminal.out().println(Results.json(result));
      return;
    }
    result.forEach(
        (name, value) -> {
          String text =
              value instanceof Double number
                  ? String.format(Locale.ROOT, "%.4f", number)
                  : String.valueOf(value);
          terminal.out().println(name + ": " + text);
        });
  }

  private SearchOutcome run(
      PluginRegistry.BoundStrategy search,
      GenerativeModel model,
      Verifier judge,
      Prompt prompt,
      long seed) {
    Cost sample = SearchEngine.sampleCost(model, judge, prompt);
    return engine.run(
        new SearchRequest(
            "bench",
            search.strategy(),
            model,
            Map.of(VerifierRole.SEARCH, judge),
            prompt,
            Budget.of(ComputeUnit.FLOPS, 1e4 * ComputeUnit.FLOPS.of(sample)),
            DrawKey.root(seed),
            EngineOptions.defaults().withBatch(batch)));
  }
}
