package org.espalier.study;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.espalier.engine.SearchEngine;
import org.espalier.plugins.PluginRegistry;
import org.espalier.records.CellRecord;
import org.espalier.records.RunDirectory;

/** What the tests run in a process of its own, in order to kill it: starts a run, or resumes it. */
public final class KilledRun {
  private KilledRun() {}

  /**
   * @param args the study and the run's directory
   */
  public static void main(String[] args) {
    Path out = Path.of(args[1]);
    Studies studies =
        new Studies(PluginRegistry.discover(KilledRun.class.getClassLoader()), new SearchEngine());
    Studies.Watcher watcher =
        new Studies.Watcher() {
          @Override
          public void started(RunDirectory directory, int total, int finished) {
            say("started " + finished);
          }

          @Override
          public void note(String message) {
            say("note " + message);
          }

          @Override
          public void cell(CellRecord record) {
            say("cell");
          }

          @Override
          public void close() {}
        };
    say("loaded");
    if (Files.exists(out.resolve("run.json"))) {
      studies.resume(RunDirectory.open(out), List.of(), watcher);
    } else {
      studies.run(StudySource.read(Path.of(args[0]), List.of()), out, Shard.WHOLE, watcher);
    }
    say("ended");
  }

  private static synchronized void say(String line) {
    System.out.println(line);
    System.out.flush();
  }
}
