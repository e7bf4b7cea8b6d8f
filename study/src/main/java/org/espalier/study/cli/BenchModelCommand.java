package org.espalier.study.cli;

import com.google.inject.Inject;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.espalier.api.DrawKey;
import org.espalier.api.Prompt;
import org.espalier.spi.Artifact;
import org.espalier.spi.Branch;
import org.espalier.spi.Conditioning;
import org.espalier.spi.DecodeRow;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.ModelState;
import org.espalier.spi.Noise;
import org.espalier.spi.Root;
import org.espalier.spi.WorkCounters;
import org.espalier.study.PluginRegistry;
import org.espalier.torch.MatrixProduct;
import org.espalier.torch.TorchEngine;
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

  /** Times of one batch in seconds, and what it took. */
  private record Timing(double[] steps, double decode, WorkCounters work) {
    double sampling() {
      double sum = 0;
      for (double step : steps) {
        sum += step;
      }
      return sum;
    }
  }

  @Override
  public Integer call() {
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
          Map<String, Object> result = measure(model, prompts.get(0), batch, ceiling);
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
      GenerativeModel model, Conditioning prompt, int batch, double ceiling) {
    double first = run(model, prompt, batch, 0).sampling();
    List<Timing> timings = new ArrayList<>();
    for (int i = 0; i < options.repeat; i++) {
      timings.add(run(model, prompt, batch, i + 1));
    }
    double sampling = BenchOptions.median(timings.stream().mapToDouble(Timing::sampling).toArray());
    double decoding = BenchOptions.median(timings.stream().mapToDouble(Timing::decode).toArray());
    List<Double> steps = new ArrayList<>();
    for (int step = 0; step < model.card().horizon(); step++) {
      int at = step;
      steps.add(
          rounded(BenchOptions.median(timings.stream().mapToDouble(t -> t.steps[at]).toArray())));
    }
    WorkCounters work = timings.get(0).work;
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
    result.put("deviceGiB", rounded(TorchEngine.usedBytes(options.torchDevice()) * 0x1p-30));
    return result;
  }

  private static double rounded(double value) {
    return Math.round(value * 1e5) / 1e5;
  }

  private static Timing run(GenerativeModel model, Conditioning prompt, int batch, long seed) {
    List<Noise> noises = new ArrayList<>();
    List<Root> roots = new ArrayList<>();
    for (int i = 0; i < batch; i++) {
      noises.add(new Noise.Keyed(DrawKey.root(seed).child(i)));
      roots.add(new Root(prompt, noises.get(i)));
    }
    List<List<ModelState>> path = new ArrayList<>();
    try {
      WorkCounters before = model.counters();
      double[] steps = new double[model.card().horizon()];
      path.add(model.begin(roots));
      for (int step = 0; step < steps.length; step++) {
        List<Branch> branches = new ArrayList<>();
        for (int i = 0; i < batch; i++) {
          branches.add(new Branch(path.get(step).get(i), prompt, List.of(noises.get(i))));
        }
        long start = System.nanoTime();
        List<List<ModelState>> children = model.expand(branches);
        steps[step] = (System.nanoTime() - start) * 1e-9;
        path.add(children.stream().map(siblings -> siblings.get(0)).toList());
      }
      WorkCounters work = model.counters().since(before);
      List<ModelState> last = path.get(path.size() - 1);
      // What a complete sample does not depend on is given back before it is decoded.
      while (path.size() > 1 && !last.get(0).dependsOnParent()) {
        int at = path.size() - 2;
        path.remove(at).forEach(ModelState::close);
      }
      List<DecodeRow> rows = new ArrayList<>();
      last.forEach(state -> rows.add(new DecodeRow(state, prompt)));
      long start = System.nanoTime();
      model.decode(rows).forEach(Artifact::close);
      return new Timing(steps, (System.nanoTime() - start) * 1e-9, work);
    } finally {
      for (int i = path.size() - 1; i >= 0; i--) {
        path.get(i).forEach(ModelState::close);
      }
    }
  }
}
