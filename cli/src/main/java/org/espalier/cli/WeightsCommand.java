package org.espalier.cli;

import com.google.inject.Inject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.espalier.api.EspalierException;
import org.espalier.plugins.PluginRegistry;
import org.espalier.spi.LoadContext;
import org.espalier.study.LoadedStudy;
import org.espalier.weights.HubCache;
import org.espalier.weights.HubId;
import org.espalier.weights.ReadLog;
import org.espalier.weights.Sha256;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code espalier weights}. */
@Command(
    name = "weights",
    description =
        "Lists every file of weights that a study, model or verifier reads, and what is missing.",
    mixinStandardHelpOptions = true,
    subcommands = WeightsGetCommand.class)
final class WeightsCommand implements Callable<Integer> {
  /** Files up to this size are hashed without being asked to. */
  private static final long HASHED = 256L << 20;

  /** Networks below this many weights compute in float32 on a GPU, too. */
  private static final long SMALL = 20_000_000;

  private final PluginRegistry registry;
  private final Terminal terminal;

  @Parameters(
      arity = "0..1",
      paramLabel = "STUDY|MODEL",
      description =
          "A study file, or the YAML of a model or verifier, such as '{id: infinity, weights:"
              + " DIR}'.")
  @Nullable String target;

  @Option(names = "--hash", description = "Reads large files, too, for their SHA-256.")
  boolean hash;

  @Inject
  WeightsCommand(PluginRegistry registry, Terminal terminal) {
    this.registry = registry;
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    if (target == null) {
      throw EspalierException.config(
          "The command weights needs a study or a model.",
          "Maybe use `espalier weights STUDY`, or `espalier weights get hf:ORG/NAME`.");
    }
    WeightsTarget wanted = WeightsTarget.of(target, registry);
    LoadContext context = LoadedStudy.context("cpu", wanted.base(), registry);
    HubCheckpoints hub = new HubCheckpoints(registry, terminal);
    int code = ExitCode.DONE.code();
    for (Map.Entry<String, PluginRegistry.Bound<?>> part : wanted.parts().entrySet()) {
      if (!print(
          part.getKey(),
          part.getValue(),
          context,
          hub.references(part.getValue(), wanted.base()))) {
        code = ExitCode.USER_ERROR.code();
      }
    }
    return code;
  }

  private boolean print(
      String name, PluginRegistry.Bound<?> bound, LoadContext context, List<HubId> references) {
    terminal.out().println(name + ": " + bound.config());
    EspalierException failure = null;
    try (ReadLog log = ReadLog.start()) {
      try {
        bound.check().accept(context);
      } catch (EspalierException e) {
        failure = e;
      }
      print(log);
    }
    if (failure == null) {
      terminal.out().println();
      return true;
    }
    String.valueOf(failure.getMessage())
        .lines()
        .forEach(text -> terminal.out().println("  missing  " + text));
    for (HubId id : references) {
      terminal.out().println("  get      " + HubCache.getLine(id));
    }
    terminal.out().println();
    return false;
  }

  private void print(ReadLog log) {
    long total = 0;
    for (Map.Entry<Path, String> file : log.files().entrySet()) {
      long size = size(file.getKey());
      total += size;
      terminal
          .out()
          .println(
              "  read     %s  %s, %s, %s"
                  .formatted(
                      file.getKey(),
                      HubCheckpoints.size(size),
                      file.getValue(),
                      sha256(file.getKey(), size)));
    }
    double cpu = 0;
    double gpu = 0;
    for (ReadLog.Use use : log.uses()) {
      cpu += 4.0 * use.parameters();
      gpu +=
          use.parameters() < SMALL
              ? 4.0 * use.parameters()
              : 2.0 * use.parameters() + 2.0 * use.fullPrecision();
      List<String> unused = use.unused();
      terminal
          .out()
          .println(
              "  keys     %s  %d read, %d unused%s"
                  .formatted(
                      use.location(),
                      use.read(),
                      unused.size(),
                      unused.isEmpty()
                          ? ""
                          : " ("
                              + String.join(", ", unused.subList(0, Math.min(3, unused.size())))
                              + (unused.size() > 3 ? ", ..." : "")
                              + ")"));
    }
    if (!log.uses().isEmpty()) {
      terminal
          .out()
          .println(
              String.format(
                  Locale.ROOT,
                  "  memory   %s of files; weights take %s on the CPU (float32), %s on a GPU"
                      + " (bfloat16) and then at most 0.2 GB of the host while they are read",
                  HubCheckpoints.size(total),
                  HubCheckpoints.size((long) cpu),
                  HubCheckpoints.size((long) gpu)));
    }
  }

  private static long size(Path file) {
    try {
      return Files.size(file);
    } catch (IOException e) {
      return 0;
    }
  }

  /** As the hub names the content in its cache, or computed. */
  private String sha256(Path file, long size) {
    try {
      Path blob = file.toRealPath().getFileName();
      String name = blob == null ? "" : blob.toString();
      if (!hash && Files.isSymbolicLink(file) && name.matches("[0-9a-f]{64}")) {
        return "SHA-256 " + name + " by its name in the cache";
      }
    } catch (IOException e) {
      return "not readable";
    }
    return hash || size <= HASHED
        ? "SHA-256 " + Sha256.of(List.of(file))
        : "SHA-256 not computed (--hash)";
  }
}
