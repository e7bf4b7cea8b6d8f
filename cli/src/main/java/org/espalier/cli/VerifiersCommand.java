package org.espalier.cli;

import com.google.inject.Inject;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import org.espalier.api.Prompt;
import org.espalier.bench.CostCard;
import org.espalier.plugins.Canonical;
import org.espalier.plugins.PluginRegistry;
import org.espalier.records.Amount;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierCard;
import org.espalier.study.LoadedStudy;
import org.espalier.study.PromptFiles;
import org.espalier.study.StudySpec;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code espalier verifiers}. */
@Command(
    name = "verifiers",
    description = "Shows what verifiers are and, measured here, what an image costs.",
    mixinStandardHelpOptions = true)
final class VerifiersCommand implements Callable<Integer> {
  private final PluginRegistry registry;
  private final Terminal terminal;

  @Option(
      names = "--verifier",
      paramLabel = "ID",
      description =
          "An id, or YAML such as '{id: clip, weights: DIR}'; repeatable."
              + " Default: all whose weights are bundled.")
  List<String> verifiers = List.of();

  @Option(names = "--device", paramLabel = "DEVICE", description = "cpu, gpu, gpu:N or auto.")
  String device = "cpu";

  @Option(
      names = "--side",
      paramLabel = "PIXELS",
      description = "Size of the square images that are timed; default: ${DEFAULT-VALUE}.",
      defaultValue = "64")
  int side;

  @Option(
      names = "--repetitions",
      paramLabel = "N",
      description = "How often each batch is timed, the best counts; default: ${DEFAULT-VALUE}.",
      defaultValue = "3")
  int repetitions;

  @Option(names = "--prompt", paramLabel = "TEXT", description = "The prompt that is timed.")
  @Nullable String prompt;

  @Option(names = "--json", description = "The cards as JSON on the standard output.")
  boolean json;

  @Inject
  VerifiersCommand(PluginRegistry registry, Terminal terminal) {
    this.registry = registry;
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    List<String> chosen = new ArrayList<>(verifiers);
    if (chosen.isEmpty()) {
      for (String id : registry.verifiers().keySet()) {
        if (Snippets.bundled(id).isPresent()) {
          chosen.add(id);
        } else {
          terminal
              .err()
              .println("note: " + id + " needs settings: --verifier '{id: " + id + ", ...}'");
        }
      }
    }
    Prompt timed = timed();
    List<Object> cards = new ArrayList<>();
    for (String text : chosen) {
      try (Verifier verifier =
          registry
              .verifier(Snippets.verifier(text))
              .loader()
              .apply(LoadedStudy.context(device, Path.of("").toAbsolutePath(), registry))) {
        CostCard cost =
            CostCard.measure(verifier, timed, side, side, repetitions, System::nanoTime);
        if (json) {
          cards.add(map(verifier.card(), cost));
        } else {
          print(verifier.card(), cost);
        }
      }
    }
    if (json) {
      terminal.out().println(Results.json(cards));
    }
    return ExitCode.DONE.code();
  }

  /** With metadata, which the exact evaluator needs. */
  private Prompt timed() {
    return prompt != null
        ? Prompt.of("00000", prompt)
        : PromptFiles.load(
                new StudySpec.Prompts(null, null, "shapes/geneval", null, null, 1, null),
                Path.of(""),
                registry.loader())
            .get(0);
  }

  private Map<String, Object> map(VerifierCard card, CostCard cost) {
    Map<String, Object> map = new LinkedHashMap<>();
    if (Canonical.plain(card) instanceof Map<?, ?> fields) {
      fields.forEach((key, value) -> map.put(String.valueOf(key), value));
    }
    Map<String, Object> seconds = new LinkedHashMap<>();
    CostCard.BATCHES.forEach(n -> seconds.put(String.valueOf(n), cost.seconds(n)));
    map.put(
        "cost",
        Map.of(
            "device", device,
            "side", side,
            "flopsAnImage", cost.flops(),
            "secondsAnImageByBatch", seconds));
    return map;
  }

  private void print(VerifierCard card, CostCard cost) {
    OptionalInt limit = card.textLimit();
    terminal.out().println(card.id());
    line("metric", card.metric() + ", " + card.range());
    line("preprocessing", card.preprocessing());
    line("text limit", limit.isPresent() ? limit.getAsInt() + " tokens" : "none");
    line("licence", card.licence());
    line("weights", card.weightsSha256().isEmpty() ? "none" : "SHA-256 " + card.weightsSha256());
    line("program", card.programSha256().isEmpty() ? "none" : "SHA-256 " + card.programSha256());
    new TreeMap<>(card.facts()).forEach(this::line);
    line("operations", Amount.brief(cost.flops()) + " FLOPs an image");
    StringBuilder times = new StringBuilder();
    for (int n : CostCard.BATCHES) {
      times.append(
          String.format(
              Locale.ROOT,
              "%s%.2f ms in batches of %d",
              times.length() == 0 ? "" : ", ",
              1000 * cost.seconds(n),
              n));
    }
    line("time", times + " an image, on " + device + ", " + side + " x " + side + " pixels");
    terminal.out().println();
  }

  private void line(String name, String value) {
    terminal.out().printf(Locale.ROOT, "  %-14s %s%n", name, value);
  }
}
