package org.espalier.cli;

import com.google.inject.Inject;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.espalier.records.RunDirectory;
import org.espalier.study.Studies;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code espalier resume}. */
@Command(
    name = "resume",
    description = "Goes on with a run: finished cells are skipped, failed ones tried again.",
    mixinStandardHelpOptions = true)
@SuppressWarnings("NullAway.Init")
final class ResumeCommand implements Callable<Integer> {
  private final Studies studies;
  private final Terminal terminal;

  @Parameters(paramLabel = "RUN", description = "The run's directory.")
  Path run;

  @Option(names = "--jobs", paramLabel = "N", description = "Cells run at a time.")
  @Nullable Integer jobs;

  @Option(names = "--batch", paramLabel = "N", description = "Rows handed to a network at once.")
  @Nullable Integer batch;

  @Mixin OutputOptions output = new OutputOptions();

  @Inject
  ResumeCommand(Studies studies, Terminal terminal) {
    this.studies = studies;
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    List<String> overrides = new ArrayList<>();
    if (jobs != null) {
      overrides.add("engine.jobs=" + jobs);
    }
    if (batch != null) {
      overrides.add("engine.batch=" + batch);
    }
    return Results.print(
        terminal,
        output,
        studies.resume(
            RunDirectory.open(run), overrides, new ProgressWatcher(terminal, output.quiet)));
  }
}
