package org.espalier.cli;

import com.google.inject.Inject;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.espalier.api.EspalierException;
import org.espalier.plugins.PluginRegistry;
import org.espalier.weights.HubDownload;
import org.espalier.weights.HubId;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code espalier weights get}. */
@Command(
    name = "get",
    description =
        "Gets checkpoints from the Hugging Face hub into its cache: what is read and no more.",
    mixinStandardHelpOptions = true)
final class WeightsGetCommand implements Callable<Integer> {
  private final PluginRegistry registry;
  private final Terminal terminal;

  @Parameters(
      arity = "1..*",
      paramLabel = "WHAT",
      description =
          "hf:ORG/NAME[@REVISION][/FILE], a study file, or the YAML of a model or verifier.")
  List<String> targets = new ArrayList<>();

  @Option(names = "--dry-run", description = "Only lists files and sizes.")
  boolean dry;

  @Inject
  WeightsGetCommand(PluginRegistry registry, Terminal terminal) {
    this.registry = registry;
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    HubCheckpoints hub = new HubCheckpoints(registry, terminal);
    List<HubId> wanted = new ArrayList<>();
    targets.forEach(text -> wanted.addAll(WeightsTarget.references(text, registry, hub)));
    if (wanted.isEmpty()) {
      throw EspalierException.config(
          "Nothing of " + targets + " lies on the hub.",
          "Maybe name it: hf:ORG/NAME, or weights: hf:ORG/NAME in the study.");
    }
    if (!dry) {
      hub.get(wanted);
      return ExitCode.DONE.code();
    }
    for (HubId id : wanted) {
      for (HubDownload.Wanted file : HubDownload.ofUser((name, done, size) -> {}).plan(id)) {
        terminal
            .out()
            .println(
                "%s  %s  %s%s"
                    .formatted(
                        id,
                        file.name(),
                        HubCheckpoints.size(file.size()),
                        file.present() ? ", here already" : ""));
      }
    }
    return ExitCode.DONE.code();
  }
}
