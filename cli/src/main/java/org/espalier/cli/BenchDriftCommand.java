package org.espalier.cli;

import com.google.inject.Inject;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.espalier.api.DrawKey;
import org.espalier.api.Prompt;
import org.espalier.api.Verdict;
import org.espalier.bench.BenchSamples;
import org.espalier.plugins.PluginRegistry;
import org.espalier.spi.Conditioning;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.Judgement;
import org.espalier.spi.LoadContext;
import org.espalier.spi.RgbImage;
import org.espalier.spi.Verifier;
import org.espalier.study.LoadedStudy;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code espalier bench drift}: the same samples on the CPU and elsewhere. */
@Command(
    name = "drift",
    description =
        "Draws the same samples of the nano models on the CPU and on another device, and compares"
            + " images, scores and the candidate that best-of-n would select.",
    mixinStandardHelpOptions = true)
final class BenchDriftCommand implements Callable<Integer> {
  private static final List<String> TEXTS =
      List.of(
          "a red circle",
          "two blue squares",
          "a green triangle left of a yellow circle",
          "a small purple square and a large orange triangle");

  private final PluginRegistry registry;
  private final Terminal terminal;

  @Option(
      names = "--model",
      paramLabel = "YAML",
      split = ";",
      description = "Models, separated by semicolons; default: ${DEFAULT-VALUE}.",
      defaultValue = "{id: infinity, weights: nano};{id: flux, weights: nano}")
  List<String> models = List.of("{id: infinity, weights: nano}", "{id: flux, weights: nano}");

  @Option(
      names = "--verifier",
      paramLabel = "YAML",
      description = "Verifier; default: ${DEFAULT-VALUE}.",
      defaultValue = "{id: clip, weights: nano}")
  String verifier = "{id: clip, weights: nano}";

  @Option(
      names = "--device",
      paramLabel = "DEVICE",
      description = "Device to compare with the CPU; default: ${DEFAULT-VALUE}.",
      defaultValue = "auto")
  String device = "auto";

  @Option(
      names = "--samples",
      paramLabel = "N",
      description = "Candidates of each of four prompts; default: ${DEFAULT-VALUE}.",
      defaultValue = "8")
  int samples = 8;

  @Option(names = "--json", description = "Results as JSON on the standard output.")
  boolean json;

  @Inject
  BenchDriftCommand(PluginRegistry registry, Terminal terminal) {
    this.registry = registry;
    this.terminal = terminal;
  }

  /** The candidates of one prompt on one device. */
  private record Drawn(List<RgbImage> images, List<Double> scores) {
    int best() {
      int best = 0;
      for (int i = 1; i < scores.size(); i++) {
        best = scores.get(i) > scores.get(best) ? i : best;
      }
      return best;
    }
  }

  @Override
  public Integer call() {
    BenchOptions.requirePositive("--samples", List.of(samples));
    List<Map<String, Object>> results = new ArrayList<>();
    for (String model : models) {
      List<Drawn> cpu = draw(model, "cpu");
      List<Drawn> other = draw(model, device);
      Map<String, Object> result = compare(model, cpu, other);
      results.add(result);
      if (!json) {
        result.forEach((name, value) -> terminal.out().println(name + ": " + value));
      }
    }
    if (json) {
      terminal.out().println(Results.json(results));
    }
    return ExitCode.DONE.code();
  }

  private Map<String, Object> compare(String model, List<Drawn> cpu, List<Drawn> other) {
    int selected = 0;
    int equalImages = 0;
    int images = 0;
    double difference = 0;
    double largestScore = 0;
    double largestLoss = 0;
    for (int p = 0; p < cpu.size(); p++) {
      Drawn here = cpu.get(p);
      Drawn there = other.get(p);
      if (here.best() == there.best()) {
        selected++;
      }
      // By how much the CPU's scores differ between both choices: a tie where it is tiny.
      largestLoss =
          Math.max(largestLoss, here.scores.get(here.best()) - here.scores.get(there.best()));
      for (int i = 0; i < here.images.size(); i++) {
        byte[] a = here.images.get(i).rgb();
        byte[] b = there.images.get(i).rgb();
        double sum = 0;
        for (int j = 0; j < a.length; j++) {
          sum += Math.abs((a[j] & 0xff) - (b[j] & 0xff));
        }
        difference += sum / a.length;
        equalImages += sum / a.length < 1 ? 1 : 0;
        images++;
        largestScore = Math.max(largestScore, Math.abs(here.scores.get(i) - there.scores.get(i)));
      }
    }
    Map<String, Object> result = new LinkedHashMap<>();
    result.put("model", model);
    result.put("devices", "cpu, " + device);
    result.put("sameCandidateSelected", selected + " of " + cpu.size());
    result.put("largestScoreGivenUp", largestLoss);
    result.put("imagesWithinOneLevel", equalImages + " of " + images);
    result.put("meanPixelDifference", difference / images);
    result.put("largestScoreDifference", largestScore);
    return result;
  }

  private List<Drawn> draw(String snippet, String where) {
    LoadContext context = LoadedStudy.context(where, Path.of("").toAbsolutePath(), registry);
    List<Drawn> drawn = new ArrayList<>();
    try (GenerativeModel model =
            registry.model(Snippets.plugin("--model", snippet)).loader().apply(context);
        Verifier judge =
            registry.verifier(Snippets.plugin("--verifier", verifier)).loader().apply(context)) {
      for (int p = 0; p < TEXTS.size(); p++) {
        Prompt prompt = Prompt.of(Integer.toString(p), TEXTS.get(p));
        List<Conditioning> encoded = model.encode(List.of(prompt));
        try {
          drawn.add(draw(model, judge, prompt, encoded.get(0)));
        } finally {
          encoded.forEach(Conditioning::close);
        }
      }
    }
    return drawn;
  }

  private Drawn draw(GenerativeModel model, Verifier judge, Prompt prompt, Conditioning encoded) {
    DrawKey key = DrawKey.root(7).child(prompt.id());
    try (BenchSamples drawn = BenchSamples.draw(model, encoded, samples, key)) {
      List<Judgement> judgements = new ArrayList<>();
      List<RgbImage> images = new ArrayList<>();
      for (int i = 0; i < samples; i++) {
        images.add(drawn.artifacts().get(i).image());
        judgements.add(new Judgement(Integer.toString(i), prompt, drawn.artifacts().get(i)));
      }
      List<Double> scores = new ArrayList<>();
      for (Verdict verdict : judge.verify(judgements)) {
        scores.add(verdict instanceof Verdict.Scored scored ? scored.value() : Double.NaN);
      }
      return new Drawn(images, scores);
    }
  }
}
