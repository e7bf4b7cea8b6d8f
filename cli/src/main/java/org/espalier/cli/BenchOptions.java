package org.espalier.cli;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.espalier.api.EspalierException;
import org.espalier.plugins.PluginRegistry;
import org.espalier.plugins.PluginSpec;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.LoadContext;
import org.espalier.spi.NativeMemory;
import org.espalier.study.LoadedStudy;
import org.espalier.torch.Device;
import org.espalier.torch.TorchEngine;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Options of every benchmark: the model, its device and how often it is timed. */
final class BenchOptions {
  @Option(
      names = "--model",
      paramLabel = "ID[:SIZE]|YAML",
      description =
          "infinity:2b, var:d16, janus:1b, flux:dev and so on, or a model as a study names it;"
              + " default: ${DEFAULT-VALUE}.",
      defaultValue = "infinity:2b")
  String model = "infinity:2b";

  @Option(
      names = "--weights",
      paramLabel = "WEIGHTS",
      description =
          "random (of the published shapes, made on the device), a bundle such as nano, or a path;"
              + " default: ${DEFAULT-VALUE}.",
      defaultValue = "random")
  String weights = "random";

  @Option(
      names = "--pn",
      paramLabel = "SIZE",
      description =
          "Pixels of infinity and flux: 0.06M, 0.25M, 0.60M or 1M; default: ${DEFAULT-VALUE}.",
      defaultValue = "1M")
  String pn = "1M";

  @Option(
      names = "--steps",
      paramLabel = "N",
      description = "Steps of a diffusion model; default: ${DEFAULT-VALUE}.",
      defaultValue = "4")
  int steps = 4;

  @Option(names = "--device", paramLabel = "DEVICE", description = "cpu, gpu, gpu:N or auto.")
  String device = "cpu";

  @Option(
      names = "--memory",
      paramLabel = "SIZE",
      description = "Native memory that tensors may take, such as 60GiB; default: no limit.")
  @Nullable String memory;

  @Option(
      names = "--repeat",
      paramLabel = "N",
      description = "Timings, of which the median counts; default: ${DEFAULT-VALUE}.",
      defaultValue = "5")
  int repeat = 5;

  @Option(names = "--json", description = "Results as JSON on the standard output.")
  boolean json;

  private @Nullable NativeMemory account;

  private void check() {
    requirePositive("--repeat", List.of(repeat));
  }

  Device torchDevice() {
    return TorchEngine.device(device).with(account());
  }

  /** One for all that a benchmark loads, by which it is measured. */
  private NativeMemory account() {
    NativeMemory known = account;
    if (known == null) {
      known = memory == null ? NativeMemory.unlimited() : NativeMemory.of(memory);
      account = known;
    }
    return known;
  }

  LoadContext context(PluginRegistry registry) {
    check();
    return LoadedStudy.context(device, Path.of("").toAbsolutePath(), registry, account());
  }

  GenerativeModel load(PluginRegistry registry) {
    return registry.model(plugin()).loader().apply(context(registry));
  }

  /** The model as a study would name it. */
  private PluginSpec plugin() {
    if (model.strip().startsWith("{")) {
      return Snippets.plugin("--model", model);
    }
    int colon = model.indexOf(':');
    String id = colon < 0 ? model : model.substring(0, colon);
    Map<String, Object> config = new LinkedHashMap<>();
    config.put(
        "weights", weights.equals("random") ? "random:" + model.substring(colon + 1) : weights);
    boolean sized = !weights.equals("nano");
    if (id.equals("flux")) {
      config.put("sampler", Map.of("steps", steps));
      if (sized) {
        config.put("width", side());
        config.put("height", side());
      }
    } else if (sized && id.equals("infinity")) {
      config.put("pn", pn);
    }
    return Snippets.plugin("--model", id, config);
  }

  /** The side in pixels of as many pixels as {@link #pn} names. */
  private int side() {
    return switch (pn) {
      case "0.06M" -> 256;
      case "0.25M" -> 512;
      case "1M" -> 1024;
      default ->
          throw EspalierException.config(
              "The size (" + pn + ") is unknown for flux.", "Maybe use --pn 0.06M, 0.25M or 1M.");
    };
  }

  static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    int middle = sorted.length / 2;
    return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }

  /**
   * Refuses numbers of which nothing could be measured.
   *
   * @param option that gave them
   * @param numbers of samples, rows or repeats
   */
  static void requirePositive(String option, List<Integer> numbers) {
    for (int number : numbers) {
      if (number < 1) {
        throw EspalierException.config(
            "%s (%d) must be positive.".formatted(option, number), "Maybe use " + option + " 1.");
      }
    }
  }
}
