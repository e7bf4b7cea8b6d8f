package org.espalier.cli;

import com.google.inject.Inject;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.espalier.api.DrawKey;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.bench.BenchSamples;
import org.espalier.bench.Diversity;
import org.espalier.bench.MatrixProduct;
import org.espalier.bench.PeakMemory;
import org.espalier.plugins.PluginRegistry;
import org.espalier.spi.Conditioning;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.ImageFeatures;
import org.espalier.spi.RgbImage;
import org.espalier.spi.Verifier;
import org.espalier.spi.WorkCounters;
import org.espalier.torch.TorchTensor;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code espalier bench model}: samples without a search. */
@Command(
    name = "model",
    description = "Times samples of a model, one batch after the other.",
    mixinStandardHelpOptions = true)
final class BenchModelCommand implements Callable<Integer> {
  private final PluginRegistry registry;
  private final Terminal terminal;

  @Mixin BenchOptions options = new BenchOptions();

  @Option(
      names = "--batch",
      paramLabel = "N",
      split = ",",
      description = "Samples at once; default: ${DEFAULT-VALUE}.",
      defaultValue = "1,4,8")
  List<Integer> batches = List.of(1, 4, 8);

  @Option(
      names = "--prompt",
      paramLabel = "TEXT",
      description = "What samples show; default: ${DEFAULT-VALUE}.",
      defaultValue = "a red circle")
  String prompt = "a red circle";

  @Option(
      names = "--diversity",
      paramLabel = "N",
      description =
          "Samples of each batch size, as far as it drew so many, whose mean distance from one"
              + " another is printed; default: ${DEFAULT-VALUE}.",
      defaultValue = "8")
  int diversity = 8;

  @Option(
      names = "--features",
      paramLabel = "YAML",
      description =
          "A verifier such as \"{id: clip, weights: DIR}\" in whose features the distance is taken"
              + " as well; default: the small clip for small weights, else none.")
  @Nullable String features;

  @Inject
  BenchModelCommand(PluginRegistry registry, Terminal terminal) {
    this.registry = registry;
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    BenchOptions.requirePositive("--batch", batches);
    BenchOptions.requirePositive("--diversity", List.of(diversity));
    List<Map<String, Object>> results = new ArrayList<>();
    long start = System.nanoTime();
    try (GenerativeModel model = options.load(registry);
        Described described = describer()) {
      double loading = (System.nanoTime() - start) * 1e-9;
      double ceiling = MatrixProduct.measure(options.torchDevice());
      if (!options.json) {
        terminal
            .out()
            .printf(
                Locale.ROOT,
                "%s on %s: loaded in %.1f s, %.2f GiB of weights; matrix products %.1f TFLOP/s%n",
                options.model,
                options.device,
                loading,
                TorchTensor.liveBytes() * 0x1p-30,
                ceiling * 1e-12);
      }
      List<Conditioning> prompts = model.encode(List.of(Prompt.of("bench", prompt)));
      try {
        for (int batch : batches) {
          Map<String, Object> result;
          try (PeakMemory peak = new PeakMemory(options.torchDevice())) {
            result = measure(model, prompts.get(0), batch, ceiling, peak, described);
          }
          result.put("loadSeconds", loading);
          results.add(result);
          if (!options.json) {
            result.forEach((name, value) -> terminal.out().println("  " + name + ": " + value));
          }
        }
      } finally {
        prompts.forEach(Conditioning::close);
      }
    }
    if (options.json) {
      terminal.out().println(Results.json(results));
    }
    return ExitCode.DONE.code();
  }

  /** What describes images, if anything does. */
  private record Described(@Nullable Verifier verifier) implements AutoCloseable {
    @Nullable ImageFeatures features() {
      return verifier instanceof ImageFeatures known ? known : null;
    }

    @Override
    public void close() {
      if (verifier != null) {
        verifier.close();
      }
    }
  }

  private Described describer() {
    String named =
        features != null || !options.weights.equals("nano")
            ? features
            : "{id: clip, weights: nano}";
    if (named == null) {
      return new Described(null);
    }
    Verifier verifier =
        registry
            .verifier(Snippets.plugin("--features", named))
            .loader()
            .apply(options.context(registry));
    if (!(verifier instanceof ImageFeatures)) {
      verifier.close();
      throw EspalierException.config(
          "The verifier of --features (" + named + ") has no features of images.",
          "Maybe use {id: clip, weights: DIR}.");
    }
    return new Described(verifier);
  }

  private Map<String, Object> measure(
      GenerativeModel model,
      Conditioning prompt,
      int batch,
      double ceiling,
      PeakMemory peak,
      Described described) {
    List<BenchSamples> timings = new ArrayList<>();
    List<RgbImage> images = new ArrayList<>();
    for (int i = 0; i <= options.repeat; i++) {
      try (BenchSamples samples = BenchSamples.draw(model, prompt, batch, DrawKey.root(i))) {
        timings.add(samples);
        samples.artifacts().stream()
            .limit(diversity - images.size())
            .forEach(artifact -> images.add(artifact.image()));
      }
    }
    double first = timings.remove(0).sampling();
    double sampling =
        BenchOptions.median(timings.stream().mapToDouble(BenchSamples::sampling).toArray());
    double decoding =
        BenchOptions.median(timings.stream().mapToDouble(BenchSamples::decode).toArray());
    List<Double> steps = new ArrayList<>();
    for (int step = 0; step < model.card().horizon(); step++) {
      int at = step;
      steps.add(
          rounded(BenchOptions.median(timings.stream().mapToDouble(t -> t.steps()[at]).toArray())));
    }
    WorkCounters work = timings.get(0).work();
    Map<String, Object> result = new LinkedHashMap<>();
    result.put("model", options.model);
    result.put("weights", options.weights);
    result.put("device", options.device);
    result.put("pixels", model.card().width() + " x " + model.card().height());
    result.put("batch", batch);
    result.put("secondsPerImage", rounded(sampling / batch));
    result.put("secondsPerImageWithDecode", rounded((sampling + decoding) / batch));
    result.put("secondsOfTheFirstBatch", rounded(first));
    result.put("secondsPerStep", steps);
    result.put("tokensPerSecond", Math.round(work.tokens() / sampling));
    result.put("teraflopPerImage", rounded(work.flops() * 1e-12 / batch));
    result.put("teraflopsAchieved", rounded(work.flops() / sampling * 1e-12));
    result.put("teraflopsCeiling", rounded(ceiling * 1e-12));
    result.put("deviceGiB", rounded(peak.gib()));
    if (images.size() > 1) {
      // Where samples differ little, a search has little to choose from.
      result.put("diversityOf", images.size());
      result.put("diversityInPixels", rounded(Diversity.inPixels(images)));
      ImageFeatures describer = described.features();
      if (describer != null) {
        result.put("diversityInFeatures", rounded(Diversity.ofUnits(describer.features(images))));
      }
    }
    return result;
  }

  private static double rounded(double value) {
    return Math.round(value * 1e5) / 1e5;
  }
}
