package org.espalier.study.cli;

import com.google.inject.Inject;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.espalier.study.RunDirectory;
import org.espalier.study.report.HtmlReport;
import org.espalier.study.report.RunData;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** {@code espalier report}. */
@Command(
    name = "report",
    description = "Rebuilds the table and the report from a run's records.",
    mixinStandardHelpOptions = true)
@SuppressWarnings("NullAway.Init")
final class ReportCommand implements Callable<Integer> {
  private final Terminal terminal;

  @Parameters(paramLabel = "RUN", description = "The run's directory.")
  Path run;

  @Mixin OutputOptions output = new OutputOptions();

  @Inject
  ReportCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    RunData data = RunData.read(RunDirectory.open(run));
    data.notes().forEach(note -> terminal.err().println("note: " + note));
    Path report = HtmlReport.write(data);
    if (output.json) {
      terminal.out().println(Results.json(data.summary()));
    } else {
      Results.print(terminal, data.summary());
      terminal.out().println("report:  " + report);
    }
    return Main.DONE;
  }
}
