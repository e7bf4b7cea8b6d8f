package org.espalier.cli;

import com.google.inject.Inject;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.espalier.plugins.PluginRegistry;
import org.espalier.study.Shard;
import org.espalier.study.Studies;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code espalier run}. */
@Command(
    name = "run",
    description = "Runs a study and ends with a table and a report.",
    mixinStandardHelpOptions = true)
final class RunCommand implements Callable<Integer> {
  private final Studies studies;
  private final PluginRegistry registry;
  private final Terminal terminal;

  @Mixin StudyOptions study = new StudyOptions();
  @Mixin OutputOptions output = new OutputOptions();

  @Option(
      names = {"--out", "-o"},
      paramLabel = "DIR",
      description = "Directory of this run; must not hold another.")
  @Nullable Path out;

  @Option(
      names = "--shard",
      paramLabel = "I/N",
      description =
          "Runs the I-th of N parts of the study's cells; `espalier merge` joins the parts.",
      defaultValue = "1/1")
  String shard = "1/1";

  @Inject
  RunCommand(Studies studies, PluginRegistry registry, Terminal terminal) {
    this.studies = studies;
    this.registry = registry;
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    return Results.print(
        terminal,
        output,
        studies.run(
            study.source(output.quiet ? null : terminal, registry, terminal),
            out,
            Shard.of(shard),
            new ProgressWatcher(terminal, output.quiet)));
  }
}
