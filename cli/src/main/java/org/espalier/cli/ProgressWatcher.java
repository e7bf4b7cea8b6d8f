package org.espalier.cli;

import java.time.Duration;
import java.util.Locale;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.espalier.records.Amount;
import org.espalier.records.CellRecord;
import org.espalier.records.RunDirectory;
import org.espalier.study.Studies;
import org.jspecify.annotations.Nullable;

/** A bar on a terminal, else a line every twentieth of the way and every half minute. */
final class ProgressWatcher implements Studies.Watcher {
  private final Terminal terminal;
  private final boolean quiet;
  private @Nullable ProgressBar bar;
  private @Nullable ExitGuard guard;
  private long start;
  private long lastLine;
  private int total;
  private int skipped;
  private int seen;
  private int failed;
  private double flops;

  ProgressWatcher(Terminal terminal, boolean quiet) {
    this.terminal = terminal;
    this.quiet = quiet;
  }

  @Override
  public synchronized void started(RunDirectory directory, int cells, int finished) {
    total = cells;
    skipped = finished;
    start = System.nanoTime();
    lastLine = start;
    guard = new ExitGuard(terminal, directory.root());
    if (quiet) {
      return;
    }
    terminal
        .err()
        .println(
            "run: %s, %d cells%s"
                .formatted(
                    directory.root(),
                    total,
                    finished > 0 ? ", " + finished + " of them done before" : ""));
    if (terminal.interactive()) {
      bar =
          new ProgressBarBuilder()
              .setTaskName("cells")
              .setInitialMax(total)
              .startsFrom(finished, Duration.ZERO)
              .setStyle(ProgressBarStyle.ASCII)
              .setUpdateIntervalMillis(200)
              .build();
    }
  }

  @Override
  public synchronized void note(String message) {
    terminal.err().println("note: " + message);
  }

  @Override
  public synchronized void cell(CellRecord record) {
    seen++;
    flops += record.axes().totalFlops();
    if (record instanceof CellRecord.Failed lost) {
      failed++;
      terminal
          .err()
          .println(
              "failed: %s / %s, prompt %s: %s"
                  .formatted(
                      record.arm(), record.model(), record.prompt().id(), lost.error().message()));
    }
    if (bar != null) {
      bar.setExtraMessage(
          Amount.brief(flops) + "FLOPs" + (failed > 0 ? " " + failed + " failed" : ""));
      bar.step();
    } else if (!quiet) {
      line();
    }
  }

  private void line() {
    int open = total - skipped;
    long now = System.nanoTime();
    int step = Math.max(1, open / 20);
    if (seen == open || seen % step == 0 || now - lastLine > 30_000_000_000L) {
      lastLine = now;
      double elapsed = (now - start) * 1e-9;
      double left = elapsed / seen * (open - seen);
      terminal
          .err()
          .println(
              String.format(
                  Locale.ROOT,
                  "%d/%d cells, %.1f s, %.1f s left, %sFLOPs%s",
                  skipped + seen,
                  total,
                  elapsed,
                  left,
                  Amount.brief(flops),
                  failed > 0 ? ", " + failed + " failed" : ""));
    }
  }

  @Override
  public synchronized void close() {
    if (guard != null) {
      guard.close();
      guard = null;
    }
    if (bar != null) {
      bar.close();
      bar = null;
    }
  }
}
