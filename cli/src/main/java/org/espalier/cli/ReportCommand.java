package org.espalier.cli;

import com.google.inject.Inject;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.espalier.records.RunDirectory;
import org.espalier.report.HtmlReport;
import org.espalier.report.RunData;
import org.espalier.report.RunJson;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
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

  @Option(
      names = {"--out", "-o"},
      paramLabel = "FILE",
      description = "Where to write; default: RUN/report/index.html.")
  @Nullable Path out;

  @Option(
      names = "--max-bytes",
      paramLabel = "N",
      description = "Size of the file; what does not fit of galleries and trees is left out.")
  @Nullable Long maxBytes;

  @Option(
      names = "--image-side",
      paramLabel = "PIXELS",
      description = "Gallery images become JPEGs of at most this side.")
  @Nullable Integer imageSide;

  @Mixin OutputOptions output = new OutputOptions();

  @Inject
  ReportCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    HtmlReport.Size normal = HtmlReport.Size.DEFAULT;
    HtmlReport.Size size =
        new HtmlReport.Size(
            maxBytes == null ? normal.bytes() : maxBytes,
            imageSide == null ? normal.side() : imageSide,
            imageSide != null);
    RunData data = RunData.read(RunDirectory.open(run));
    data.notes().forEach(note -> terminal.err().println("note: " + note));
    Path report = HtmlReport.write(data, out == null ? data.directory().report() : out, size);
    if (output.json) {
      terminal.out().print(RunJson.pretty(data.summary()));
    } else {
      Results.print(terminal, data.summary());
      terminal.out().println("report:  " + report);
    }
    return ExitCode.DONE.code();
  }
}
