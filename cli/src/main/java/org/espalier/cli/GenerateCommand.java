package org.espalier.cli;

import com.google.inject.Inject;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import org.espalier.api.DrawKey;
import org.espalier.api.Prompt;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Budget;
import org.espalier.compute.ComputeUnit;
import org.espalier.compute.Cost;
import org.espalier.engine.EngineOptions;
import org.espalier.engine.SearchEngine;
import org.espalier.engine.SearchOutcome;
import org.espalier.engine.SearchRequest;
import org.espalier.plugins.PluginRegistry;
import org.espalier.records.Amount;
import org.espalier.records.WholeFile;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.ImageFiles;
import org.espalier.spi.LoadContext;
import org.espalier.spi.Verifier;
import org.espalier.study.LoadedStudy;
import org.espalier.study.PromptFiles;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code espalier generate}. */
@Command(
    name = "generate",
    description = "Searches for one image of one prompt.",
    mixinStandardHelpOptions = true)
@SuppressWarnings("NullAway.Init")
final class GenerateCommand implements Callable<Integer> {
  private final PluginRegistry registry;
  private final SearchEngine engine;
  private final Terminal terminal;

  @Parameters(paramLabel = "PROMPT", description = "What the image should show.")
  String prompt;

  @Option(
      names = {"--out", "-o"},
      paramLabel = "FILE",
      description = "The image (PNG); default: ${DEFAULT-VALUE}.",
      defaultValue = "espalier.png")
  Path out;

  @Option(
      names = "--model",
      paramLabel = "YAML",
      description = "Model; default: ${DEFAULT-VALUE}.",
      defaultValue = "{id: infinity, weights: nano}")
  String model;

  @Option(
      names = "--strategy",
      paramLabel = "YAML",
      description = "Strategy; default: ${DEFAULT-VALUE}.",
      defaultValue = "{id: best-of-n, n: auto}")
  String strategy;

  @Option(
      names = "--verifier",
      paramLabel = "YAML",
      description = "Verifier; default: ${DEFAULT-VALUE}.",
      defaultValue = "{id: clip, weights: nano}")
  String verifier;

  @Option(
      names = "--budget",
      paramLabel = "AMOUNT",
      description = "Multiple of one sample, or FLOPs; default: ${DEFAULT-VALUE}.",
      defaultValue = "4x")
  String budget;

  @Option(names = "--seed", paramLabel = "N", description = "Seed; default: 0.")
  long seed;

  @Option(names = "--device", paramLabel = "DEVICE", description = "cpu, gpu, gpu:N or auto.")
  String device = "cpu";

  @Option(names = "--json", description = "The account as JSON on the standard output.")
  boolean json;

  @Inject
  GenerateCommand(PluginRegistry registry, SearchEngine engine, Terminal terminal) {
    this.registry = registry;
    this.engine = engine;
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    Amount amount = Amount.of(budget);
    LoadContext context = LoadedStudy.context(device, Path.of("").toAbsolutePath(), registry);
    PluginRegistry.BoundStrategy search =
        registry.strategy(Snippets.plugin("--strategy", strategy));
    PluginRegistry.Bound<GenerativeModel> boundModel =
        registry.model(Snippets.plugin("--model", model));
    PluginRegistry.Bound<Verifier> boundVerifier =
        registry.verifier(Snippets.plugin("--verifier", verifier));
    try (GenerativeModel generator = boundModel.loader().apply(context);
        Verifier judge = boundVerifier.loader().apply(context)) {
      Prompt text = Prompt.of("00000", PromptFiles.requireText(prompt, "PROMPT"));
      SearchEngine.requireCapabilities(search.strategy().card(), generator.card());
      Cost sample = SearchEngine.sampleCost(generator, judge, text);
      SearchOutcome outcome =
          engine.run(
              new SearchRequest(
                  "generate",
                  search.strategy(),
                  generator,
                  Map.of(VerifierRole.SEARCH, judge),
                  text,
                  Budget.of(ComputeUnit.FLOPS, amount.absolute(ComputeUnit.FLOPS.of(sample))),
                  DrawKey.root(seed),
                  EngineOptions.defaults()));
      WholeFile.write(out, ImageFiles.png(outcome.image()));
      print(outcome);
    }
    return ExitCode.DONE.code();
  }

  private void print(SearchOutcome outcome) {
    Cost spent = outcome.ledger().total();
    if (json) {
      Map<String, Object> map = new TreeMap<>();
      map.put("image", out.toString());
      map.put("score", outcome.score());
      map.put("stop", outcome.stop());
      map.put("spent", spent);
      map.put("remaining", outcome.remaining());
      map.put("seconds", outcome.wallNanos() * 1e-9);
      terminal.out().println(Results.json(map));
      return;
    }
    for (String line :
        List.of(
            "image:  " + out,
            String.format(Locale.ROOT, "score:  %.4f", outcome.score()),
            "spent:  %s FLOPs, %d nfe, %d images, %d verifier calls, %.2f s (%s FLOPs left)"
                .formatted(
                    Amount.brief((double) spent.flops() + spent.verifierFlops()),
                    spent.nfe(),
                    spent.decodes(),
                    spent.verifierCalls(),
                    outcome.wallNanos() * 1e-9,
                    Amount.brief(outcome.remaining())))) {
      terminal.out().println(line);
    }
  }
}
