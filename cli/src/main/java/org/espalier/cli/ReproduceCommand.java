package org.espalier.cli;

import com.google.inject.Inject;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.espalier.records.RunDirectory;
import org.espalier.report.HtmlReport;
import org.espalier.report.RunData;
import org.espalier.study.Studies;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code espalier reproduce}. */
@Command(
    name = "reproduce",
    description = "Runs a run's study again and prints what differs, times left out.",
    mixinStandardHelpOptions = true)
@SuppressWarnings("NullAway.Init")
final class ReproduceCommand implements Callable<Integer> {
  private final Studies studies;
  private final Terminal terminal;

  @Parameters(paramLabel = "RUN", description = "The run's directory.")
  Path run;

  @Option(
      names = {"--out", "-o"},
      paramLabel = "DIR",
      description = "Directory of the second run; default: RUN-reproduced.")
  @Nullable Path out;

  @Mixin OutputOptions output = new OutputOptions();

  @Inject
  ReproduceCommand(Studies studies, Terminal terminal) {
    this.studies = studies;
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    RunDirectory first = RunDirectory.open(run);
    Path target =
        out == null
            ? run.toAbsolutePath()
                .normalize()
                .resolveSibling(run.toAbsolutePath().normalize().getFileName() + "-reproduced")
            : out;
    Studies.Ended ended =
        studies.repeat(first, target, new ProgressWatcher(terminal, output.quiet));
    HtmlReport.write(RunData.read(ended.directory()));
    return CompareCommand.print(terminal, output.json, run, ended.directory().root());
  }
}
