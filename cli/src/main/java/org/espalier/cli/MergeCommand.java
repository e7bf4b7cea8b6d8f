package org.espalier.cli;

import com.google.inject.Inject;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.espalier.records.RunDirectory;
import org.espalier.records.RunMerge;
import org.espalier.report.HtmlReport;
import org.espalier.report.RunData;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code espalier merge}. */
@Command(
    name = "merge",
    description = "Makes one run of the shards of a study.",
    mixinStandardHelpOptions = true)
@SuppressWarnings("NullAway.Init")
final class MergeCommand implements Callable<Integer> {
  private final Terminal terminal;

  @Parameters(arity = "1..*", paramLabel = "RUN", description = "Directories of the shards' runs.")
  List<Path> runs;

  @Option(
      names = {"--out", "-o"},
      paramLabel = "DIR",
      required = true,
      description = "Directory of the run that is made; must be empty or absent.")
  Path out;

  @Option(
      names = "--partial",
      description = "Shards may be missing; `espalier resume` runs their cells.")
  boolean partial;

  @Mixin OutputOptions output = new OutputOptions();

  @Inject
  MergeCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    RunMerge.Merged merged =
        RunMerge.merge(runs.stream().map(RunDirectory::open).toList(), out, partial);
    RunData data = RunData.read(merged.directory());
    Path report = HtmlReport.write(data);
    if (output.json) {
      terminal.out().println(Results.json(merged));
      return ExitCode.DONE.code();
    }
    if (!output.quiet) {
      terminal
          .err()
          .println(
              "merged: %s, %d cells of %d runs, %d of them in two%s"
                  .formatted(
                      out,
                      merged.records(),
                      runs.size(),
                      merged.duplicates(),
                      merged.missing().isEmpty() ? "" : "; missing shards: " + merged.missing()));
    }
    Results.print(terminal, data.summary());
    terminal.out().println("report:  " + report);
    return ExitCode.DONE.code();
  }
}
