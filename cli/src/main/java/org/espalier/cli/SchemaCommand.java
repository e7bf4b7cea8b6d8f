package org.espalier.cli;

import com.google.inject.Inject;
import java.util.concurrent.Callable;
import org.espalier.plugins.PluginRegistry;
import org.espalier.study.StudySchema;
import picocli.CommandLine.Command;

/** {@code espalier schema}. */
@Command(
    name = "schema",
    description = "Prints the JSON Schema of study files, with the plugins on the class path.",
    mixinStandardHelpOptions = true)
final class SchemaCommand implements Callable<Integer> {
  private final PluginRegistry registry;
  private final Terminal terminal;

  @Inject
  SchemaCommand(PluginRegistry registry, Terminal terminal) {
    this.registry = registry;
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    terminal.out().println(Results.json(StudySchema.of(registry)));
    return ExitCode.DONE.code();
  }
}
