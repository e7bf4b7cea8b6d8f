package org.espalier.cli;

import com.google.inject.Inject;
import java.util.concurrent.Callable;
import org.espalier.plugins.PluginRegistry;
import org.espalier.records.RunDirectory;
import org.espalier.study.LoadedStudy;
import org.espalier.study.Study;
import org.espalier.study.StudyCells;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code espalier validate}. */
@Command(
    name = "validate",
    description = "Checks a study, its prompts, weights, pairings and budgets; runs nothing.",
    mixinStandardHelpOptions = true)
final class ValidateCommand implements Callable<Integer> {
  private final PluginRegistry registry;
  private final Terminal terminal;

  @Mixin StudyOptions options = new StudyOptions();

  @Inject
  ValidateCommand(PluginRegistry registry, Terminal terminal) {
    this.registry = registry;
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    Study study = Study.bind(options.source(terminal, registry, terminal), registry);
    RunDirectory.requireUsable(study.output().resolve(study.spec().study()));
    try (LoadedStudy loaded = LoadedStudy.load(study, registry)) {
      terminal
          .out()
          .println(
              "%s: valid, %d cells (%d prompts, %d seeds, %d arms)"
                  .formatted(
                      options.file,
                      new StudyCells(loaded).all().size(),
                      study.prompts().size(),
                      study.spec().seedCount(),
                      study.arms().size()));
      loaded.remarks().forEach(remark -> terminal.err().println("Note: " + remark));
    }
    return ExitCode.DONE.code();
  }
}
