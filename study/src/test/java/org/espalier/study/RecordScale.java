package org.espalier.study;

import java.io.BufferedWriter;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.espalier.study.config.Canonical;
import org.espalier.study.report.HtmlReport;
import org.espalier.study.report.RunData;

/**
 * A measurement, not a test: multiplies the records of a run to 10,000 cells and prints how long
 * reading (what resume decides by) and the report take, and the heap in use.
 */
public final class RecordScale {
  private RecordScale() {}

  /**
   * @param args a run directory; its records.jsonl is replaced, so give a copy
   */
  public static void main(String[] args) throws IOException {
    RunDirectory run = RunDirectory.open(Path.of(args[0]));
    List<CellRecord> seeds = new ArrayList<>(RecordLog.read(run.records()).records().values());
    int cells = 10_000;
    try (BufferedWriter writer = Files.newBufferedWriter(run.records())) {
      for (int i = 0; i < cells; i++) {
        CellRecord r = seeds.get(i % seeds.size());
        writer.write(
            RecordLog.line(
                new CellRecord(
                    r.schema(),
                    Canonical.sha256(r.cell() + i),
                    r.status(),
                    r.study(),
                    r.arm(),
                    r.strategy(),
                    r.model(),
                    r.verifier(),
                    new CellRecord.PromptText(
                        String.format(Locale.ROOT, "%05d", i / seeds.size()),
                        r.prompt().tag(),
                        r.prompt().text()),
                    i % seeds.size(),
                    r.level(),
                    r.budget(),
                    r.error(),
                    r.stop(),
                    r.spent(),
                    r.phases(),
                    r.utilisation(),
                    r.score(),
                    r.scoreParts(),
                    r.incumbentScore(),
                    r.answer(),
                    r.incumbent(),
                    r.images(),
                    r.tree(),
                    r.evaluation(),
                    r.curve(),
                    r.time())));
      }
    }
    Stopwatch watch = new Stopwatch();
    int read = RecordLog.read(run.records()).records().size();
    String reading = watch.lap();
    Path report = HtmlReport.write(RunData.read(run));
    String reporting = watch.lap();
    Runtime runtime = Runtime.getRuntime();
    System.out.printf(
        Locale.ROOT,
        "%d cells (%d MB): read in %s, report in %s (%d MB), heap %d MB of at most %d MB%n",
        read,
        Files.size(run.records()) >> 20,
        reading,
        reporting,
        Files.size(report) >> 20,
        (runtime.totalMemory() - runtime.freeMemory()) >> 20,
        runtime.maxMemory() >> 20);
  }

  /** Wall time, and the time that the one working thread had a processor. */
  private static final class Stopwatch {
    private final ThreadMXBean threads = ManagementFactory.getThreadMXBean();
    private long wall = System.nanoTime();
    private long processor = threads.getCurrentThreadCpuTime();

    String lap() {
      long wallNow = System.nanoTime();
      long processorNow = threads.getCurrentThreadCpuTime();
      String text =
          String.format(
              Locale.ROOT,
              "%.2f s (processor %.2f s)",
              (wallNow - wall) * 1e-9,
              (processorNow - processor) * 1e-9);
      wall = wallNow;
      processor = processorNow;
      return text;
    }
  }
}
