package org.espalier.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.espalier.cli.CommandLineKit.espalier;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.espalier.records.CellRecord;
import org.espalier.records.RunDirectory;
import org.espalier.report.Axis;
import org.espalier.report.RunData;
import org.espalier.report.Summary;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The example studies run on the trained models, cut down: fewer prompts, steps and levels. */
@SuppressWarnings("NullAway.Init")
class ExampleStudiesTest {
  private static final Path STUDIES = Path.of("../examples/studies");

  @TempDir Path directory;

  @Test
  void autoregressiveAgainstDiffusion() {
    List<Object> args = new ArrayList<>(List.of("--limit", 4));
    // Two steps an image and at most three images a search instead of 30 and up to 60.
    for (String model : List.of("flow", "flow-sde", "flow-large", "flow-large-sde")) {
      String kind = model.endsWith("sde") ? "sde" : "ode";
      args.add("--set");
      args.add("models.%s.sampler={kind: %s, steps: 2}".formatted(model, kind));
    }
    args.addAll(List.of("--set", "budgets.levels=[3x]", "--set", "arms[0].levels=[3x]"));
    Summary summary = run("ar-vs-diffusion.yaml", args);
    assertThat(summary.rows())
        .extracting(row -> row.series().arm() + " " + row.series().model())
        .containsExactly(
            "alone var",
            "alone flow",
            "alone flow-sde",
            "alone flow-large",
            "alone flow-large-sde",
            "best-of-n var",
            "best-of-n flow",
            "best-of-n flow-large",
            "zero-order var",
            "zero-order flow",
            "zero-order flow-large",
            "paths flow",
            "paths flow-large",
            "particles var",
            "particles flow-sde",
            "particles flow-large-sde",
            "greedy var",
            "beam var");
    for (Summary.Row row : summary.rows()) {
      String name = row.series().name();
      assertThat(row.counts().cells()).as(name).isEqualTo(4);
      if (row.series().arm().equals("alone")) {
        assertThat(row.mean(Axis.NFE))
            .as(name)
            .isEqualTo(row.series().model().equals("var") ? 7 : 2);
      }
    }
  }

  @Test
  void comparisonOfThePaper() {
    Summary summary =
        run(
            "paper.yaml",
            List.of(
                "--limit",
                1,
                "--set",
                "models.flow.sampler={kind: ode, steps: 8}",
                "--set",
                "budgets.levels=[2x]",
                "--set",
                "arms[1].levels=[2x]"));
    assertThat(summary.rows())
        .extracting(row -> row.series().arm() + " " + row.series().model())
        .containsExactly(
            "alone var",
            "flow-alone flow",
            "best-of-n var",
            "best-of-n flow",
            "greedy var",
            "beam var",
            "zero-order flow",
            "paths flow");
    assertThat(summary.rows()).allSatisfy(row -> assertThat(row.counts().cells()).isEqualTo(3));
  }

  /** Runs a study, checks that every search ended well and within its budget, and sums it up. */
  private Summary run(String study, List<Object> args) {
    Path out = directory.resolve(study);
    List<Object> all = new ArrayList<>(List.of("run", STUDIES.resolve(study), "-q", "--out", out));
    all.addAll(args);
    CommandLineKit.Ended ended = espalier(all.toArray());
    assertThat(ended.code()).as(ended.err()).isZero();
    RunData data = RunData.read(RunDirectory.open(out));
    for (CellRecord record : data.records()) {
      String cell = record.arm() + " / " + record.model() + " / " + record.prompt().id();
      assertThat(record).as(cell).isInstanceOf(CellRecord.Done.class);
      CellRecord.Done done = (CellRecord.Done) record;
      assertThat(done.found().scoreParts()).as(cell).containsEntry("truncated", 0.0);
      assertThat(record.metric()).as(cell).isBetween(0.0, 1.0);
      assertThat(done.spent().utilisation())
          .as(cell)
          .isGreaterThan(0)
          .isLessThanOrEqualTo(1 + 1e-12);
    }
    return data.summary();
  }
}
