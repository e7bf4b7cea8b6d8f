package org.espalier.study;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.espalier.engine.SearchEngine;
import org.espalier.plugins.PluginRegistry;
import org.espalier.records.CellRecord;
import org.espalier.records.RecordLog;
import org.espalier.records.RunDirectory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A run that is killed, again and again, ends with the records of one that was left alone. {@code
 * -Despalier.kills=50} kills more often.
 */
@SuppressWarnings("NullAway.Init")
class KillTest {
  private static final int KILLS = Integer.getInteger("espalier.kills", 15);

  private static final String STUDY =
      """
      study: killed
      seed: 3
      seeds: 3
      prompts: {inline: [one, two, three, four, five, six, seven, eight]}
      budgets: {unit: flops, levels: [2x, 4x]}
      models: {var: {id: toy-scale, steps: 4}}
      verifiers:
        search: {id: toy-target, pauseMillis: 1}
        evaluate: {id: toy-bright}
      arms:
        - {strategy: {id: best-of-n, n: auto}}
        - {strategy: {id: beam, width: 2, candidates: auto}}
      engine: {jobs: 2}
      """;

  @TempDir Path directory;

  @Test
  @Timeout(value = 15, unit = TimeUnit.MINUTES)
  void killedRunsLoseAndDoubleNothing() throws IOException, InterruptedException {
    Path study = directory.resolve("study.yaml");
    Files.writeString(study, STUDY);
    Path whole = directory.resolve("whole");
    new Studies(PluginRegistry.discover(getClass().getClassLoader()), new SearchEngine())
        .run(StudySource.read(study, List.of()), whole, Shard.WHOLE, new Silent());
    List<String> expected = withoutTimes(whole);
    assertThat(expected).hasSize(96);

    Random random = new Random(11);
    int kills = 0;
    int resumed = 0;
    int run = 0;
    Path out = directory.resolve("run-0");
    while (kills < KILLS) {
      // Anywhere: while loading, between cells, in the midst of a cell or of a write.
      int cells = random.nextInt(12) - 1;
      long pauseMicros = random.nextInt(3000);
      boolean ended = killAfter(study, out, cells, pauseMicros);
      if (ended) {
        requireSame(out, expected);
        out = directory.resolve("run-" + ++run);
      } else {
        kills++;
        resumed += Files.exists(out.resolve("records.jsonl")) ? 1 : 0;
      }
    }
    while (!killAfter(study, out, Integer.MAX_VALUE, 0)) {
      assertThat(out).as("the last run ends").exists();
    }
    requireSame(out, expected);
    System.out.printf(
        "%d kills in %d runs, %d of them after records had been written%n",
        kills, run + 1, resumed);
    assertThat(resumed).isGreaterThan(KILLS / 3);
  }

  private static void requireSame(Path out, List<String> expected) throws IOException {
    assertThat(withoutTimes(out)).isEqualTo(expected);
    List<String> lines = Files.readAllLines(out.resolve("records.jsonl"));
    assertThat(lines).as("no cell is doubled").hasSameSizeAs(expected);
    Set<String> files = new HashSet<>();
    for (CellRecord record : RecordLog.read(out.resolve("records.jsonl")).records().values()) {
      assertThat(record).isInstanceOf(CellRecord.Done.class);
      String tree = record instanceof CellRecord.Done done ? String.valueOf(done.tree()) : "";
      assertThat(out.resolve(tree)).isNotEmptyFile();
      files.add(tree);
    }
    assertThat(files).hasSameSizeAs(expected);
  }

  /** Returns whether the process came to its end before it was killed. */
  private static boolean killAfter(Path study, Path out, int cells, long pauseMicros)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(
        List.of("-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"));
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.addAll(List.of(KilledRun.class.getName(), study.toString(), out.toString()));
    Process process =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    try (BufferedReader reader =
        new BufferedReader(
            new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
      int seen = -1;
      String line;
      while ((line = reader.readLine()) != null) {
        if (line.equals("ended")) {
          assertThat(process.waitFor()).isZero();
          return true;
        }
        seen += line.equals("cell") || line.equals("loaded") ? 1 : 0;
        if (seen > cells) {
          LockSupport.parkNanos(pauseMicros * 1000);
          process.destroyForcibly();
          process.waitFor();
          return false;
        }
      }
      throw new AssertionError("the child process failed with code " + process.waitFor());
    } finally {
      process.destroyForcibly();
    }
  }

  private static List<String> withoutTimes(Path run) {
    return RecordLog.read(run.resolve("records.jsonl")).records().values().stream()
        .map(RecordLog::withoutTimes)
        .sorted()
        .toList();
  }

  private static final class Silent implements Studies.Watcher {
    @Override
    public void started(RunDirectory runDirectory, int total, int finished) {}

    @Override
    public void note(String message) {}

    @Override
    public void cell(CellRecord record) {}

    @Override
    public void close() {}
  }
}
