package org.espalier.cli;

import com.google.inject.Inject;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.espalier.compute.ComputeUnit;
import org.espalier.plugins.PluginRegistry;
import org.espalier.records.Amount;
import org.espalier.study.LoadedStudy;
import org.espalier.study.Plan;
import org.espalier.study.Study;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code espalier plan}. */
@Command(
    name = "plan",
    description = "What a study would run and cost: cells, ledger, time, disk; runs no search.",
    mixinStandardHelpOptions = true)
final class PlanCommand implements Callable<Integer> {
  private final PluginRegistry registry;
  private final Terminal terminal;

  @Mixin StudyOptions options = new StudyOptions();

  @Option(names = "--json", description = "The plan as JSON on the standard output.")
  boolean json;

  @Inject
  PlanCommand(PluginRegistry registry, Terminal terminal) {
    this.registry = registry;
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    Study study = Study.bind(options.source(terminal, registry, terminal), registry);
    try (LoadedStudy loaded = LoadedStudy.load(study, registry)) {
      Plan plan = Plan.of(loaded);
      if (json) {
        terminal.out().println(Results.json(plan));
        return ExitCode.DONE.code();
      }
      ComputeUnit unit = study.spec().budgets().unitOrDefault();
      terminal
          .out()
          .println(
              "study %s: %d cells = %d prompts x %d seeds x arms, models and levels"
                  .formatted(
                      study.spec().study(),
                      plan.cells(),
                      study.prompts().size(),
                      study.spec().seedCount()));
      terminal
          .out()
          .println(
              "1x = %s %s: one sample of the cheapest model, verified"
                  .formatted(
                      Amount.brief(loaded.oneSample(unit)), unit.name().toLowerCase(Locale.ROOT)));
      for (Plan.Line line : plan.lines()) {
        terminal
            .out()
            .println(
                "  %-28s %-10s %-6s %6d cells of at most %s %s: %s, %s"
                    .formatted(
                        line.arm(),
                        line.model(),
                        line.level(),
                        line.cells(),
                        Amount.brief(line.limit()),
                        unit.name().toLowerCase(Locale.ROOT),
                        ledger(line.ledger()),
                        Plan.duration(line.seconds())));
      }
      terminal
          .out()
          .println("ledger, if all is spent on whole samples: %s".formatted(ledger(plan.ledger())));
      terminal
          .out()
          .println(
              "time: at most about %s, measured from %d sample(s) a model; disk: about %sB; memory in use: %sB, %sB of it Java's heap"
                  .formatted(
                      Plan.duration(plan.seconds()),
                      Plan.CALIBRATION,
                      Amount.brief(plan.diskBytes()),
                      Amount.brief(plan.residentBytes()),
                      Amount.brief(plan.heapBytes())));
      plan.unmeasured()
          .forEach(
              (model, why) ->
                  terminal
                      .err()
                      .println("The model (%s) could not take a sample: %s".formatted(model, why)));
    }
    return ExitCode.DONE.code();
  }

  private static String ledger(Plan.Totals totals) {
    return "%s nfe, %s FLOPs, %s images, %s verifier calls"
        .formatted(
            Amount.brief(totals.nfe()),
            Amount.brief(totals.flops()),
            Amount.brief(totals.images()),
            Amount.brief(totals.verifierCalls()));
  }
}
