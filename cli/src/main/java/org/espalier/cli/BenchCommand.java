package org.espalier.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code espalier bench}: measures this machine. */
@Command(
    name = "bench",
    description = "Measures speed and memory of models and searches, and the drift of a GPU.",
    mixinStandardHelpOptions = true,
    synopsisSubcommandLabel = "COMMAND",
    subcommands = {BenchModelCommand.class, BenchSearchCommand.class, BenchDriftCommand.class})
@SuppressWarnings("NullAway.Init")
final class BenchCommand implements Callable<Integer> {
  @Spec CommandSpec spec;

  @Override
  public Integer call() {
    spec.commandLine().usage(spec.commandLine().getErr());
    return ExitCode.USER_ERROR.code();
  }
}
