package org.espalier.cli;

import com.google.inject.Inject;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.espalier.records.RunDirectory;
import org.espalier.report.RunComparison;
import org.espalier.report.RunData;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code espalier compare}. */
@Command(
    name = "compare",
    description = "Prints what differs between two runs, times left out.",
    mixinStandardHelpOptions = true)
@SuppressWarnings("NullAway.Init")
final class CompareCommand implements Callable<Integer> {
  private final Terminal terminal;

  @Parameters(index = "0", paramLabel = "RUN", description = "A run's directory.")
  Path first;

  @Parameters(index = "1", paramLabel = "RUN", description = "Another.")
  Path second;

  @Option(names = "--json", description = "The differences as JSON on the standard output.")
  boolean json;

  @Inject
  CompareCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    return print(terminal, json, first, second);
  }

  static int print(Terminal terminal, boolean json, Path first, Path second) {
    RunComparison comparison =
        RunComparison.of(
            RunData.read(RunDirectory.open(first)), RunData.read(RunDirectory.open(second)));
    if (json) {
      terminal.out().println(Results.json(comparison));
    } else {
      terminal.out().print(comparison.text());
    }
    return comparison.same() ? ExitCode.DONE.code() : ExitCode.SOME_FAILED.code();
  }
}
