package org.espalier.cli;

import com.google.inject.Inject;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.espalier.api.DrawKey;
import org.espalier.api.Prompt;
import org.espalier.bench.BenchSamples;
import org.espalier.bench.MatrixProduct;
import org.espalier.bench.PeakMemory;
import org.espalier.plugins.PluginRegistry;
import org.espalier.spi.Conditioning;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.WorkCounters;
import org.espalier.torch.TorchTensor;
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

  @Inject
  BenchModelCommand(PluginRegistry registry, Terminal terminal) {
    this.registry = registry;
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    BenchOptions.requirePositive("--batch", batches);
    List<Map<String, Object>> results = new ArrayList<>();
    long start = System.nanoTime();
    try (GenerativeModel model = options.load(registry)) {
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
      List<Conditioning> prompts = model.encode(List.of(Prompt.of("bench", "a red circle")));
      try {
        for (int batch : batches) {
          Map<String, Object> result;
          try (PeakMemory peak = new PeakMemory(options.torchDevice())) {
            result = measure(model, prompts.get(0), batch, ceiling, peak);
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
    return Main.DONE;
  }

  private Map<String, Object> measure(
      GenerativeModel model, Conditioning prompt, int batch, double ceiling, PeakMemory peak) {
    List<BenchSamples> timings = new ArrayList<>();
    for (int i = 0; i <= options.repeat; i++) {
      try (BenchSamples samples = BenchSamples.draw(model, prompt, batch, DrawKey.root(i))) {
        timings.add(samples);
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
    return result;
  }

  private static double rounded(double value) {
    return Math.round(value * 1e5) / 1e5;
  }
}
