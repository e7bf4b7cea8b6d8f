package org.espalier.cli;

import com.google.inject.Inject;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.espalier.api.EspalierException;
import org.espalier.api.NearestNames;
import org.espalier.records.RunDirectory;
import org.espalier.report.RunData;
import org.espalier.report.RunExport;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code espalier export}. */
@Command(
    name = "export",
    description = "Writes a run in the forms that others read.",
    mixinStandardHelpOptions = true)
@SuppressWarnings("NullAway.Init")
final class ExportCommand implements Callable<Integer> {
  private static final List<String> FORMS =
      List.of("csv", "parquet", "markdown", "latex", "json", "geneval", "t2i-compbench", "mlflow");

  private final Terminal terminal;

  @Parameters(paramLabel = "RUN", description = "The run's directory.")
  Path run;

  @Option(
      names = "--to",
      required = true,
      split = ",",
      paramLabel = "FORM",
      description =
          "csv, parquet, markdown, latex, json, geneval, t2i-compbench or mlflow; repeatable.")
  List<String> forms;

  @Option(
      names = {"--out", "-o"},
      paramLabel = "DIR",
      description =
          "Where to write, in a directory per form if there are several; default: RUN/export/FORM.")
  @Nullable Path out;

  @Inject
  ExportCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    for (String form : forms) {
      if (!FORMS.contains(form.toLowerCase(Locale.ROOT))) {
        throw EspalierException.config(
            "The form (" + form + ") is unknown.", NearestNames.advice(form, FORMS));
      }
    }
    RunData data = RunData.read(RunDirectory.open(run));
    for (String form : forms) {
      String name = form.toLowerCase(Locale.ROOT);
      Path root = out == null ? run.resolve("export").resolve(name) : out;
      // Two forms in one directory would be read as one.
      Path own = out != null && forms.size() > 1 ? out.resolve(name) : root;
      Path written =
          RunExport.write(
              data,
              RunExport.Form.valueOf(name.toUpperCase(Locale.ROOT).replace('-', '_')),
              own,
              note -> terminal.err().println("note: " + form + ": " + note));
      terminal.out().println(form + ": " + written);
    }
    return ExitCode.DONE.code();
  }
}
