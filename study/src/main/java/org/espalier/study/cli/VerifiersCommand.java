package org.espalier.study.cli;

import com.google.inject.Inject;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierCard;
import org.espalier.study.LoadedStudy;
import org.espalier.study.PluginRegistry;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code espalier verifiers}. */
@Command(
    name = "verifiers",
    description = "Loads verifiers and shows their cards.",
    mixinStandardHelpOptions = true)
final class VerifiersCommand implements Callable<Integer> {
  private final PluginRegistry registry;
  private final Terminal terminal;

  @Option(
      names = "--verifier",
      paramLabel = "YAML",
      description = "Which, for example '{id: clip, weights: nano}'; repeatable.")
  List<String> verifiers = List.of();

  @Option(names = "--device", paramLabel = "DEVICE", description = "cpu, gpu, gpu:N or auto.")
  String device = "cpu";

  @Inject
  VerifiersCommand(PluginRegistry registry, Terminal terminal) {
    this.registry = registry;
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    if (verifiers.isEmpty()) {
      registry.verifiers().keySet().forEach(id -> terminal.out().println(id));
      terminal.err().println("note: --verifier '{id: clip, weights: nano}' shows a card");
      return Main.DONE;
    }
    for (String text : verifiers) {
      try (Verifier verifier =
          registry
              .verifier(Snippets.plugin("--verifier", text))
              .loader()
              .apply(LoadedStudy.context(device, Path.of("").toAbsolutePath(), registry))) {
        VerifierCard card = verifier.card();
        terminal.out().println(Results.json(card));
      }
    }
    return Main.DONE;
  }
}
