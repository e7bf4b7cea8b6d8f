package org.espalier.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.espalier.cli.CommandLineKit.TOY_STUDY;
import static org.espalier.cli.CommandLineKit.espalier;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.espalier.records.CellRecord;
import org.espalier.records.RecordLog;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A disk that fills up in the middle of a run; needs the right to mount a small tmpfs. */
@SuppressWarnings("NullAway.Init")
class FullDiskTest {
  @TempDir Path directory;
  private Path disk;

  private static int command(String... words) throws IOException, InterruptedException {
    return new ProcessBuilder(words)
        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
        .redirectError(ProcessBuilder.Redirect.DISCARD)
        .start()
        .waitFor();
  }

  @AfterEach
  void unmount() throws IOException, InterruptedException {
    if (disk != null) {
      command("umount", disk.toString());
    }
  }

  @Test
  void finishedRecordsStayReadableAndResumeGoesOn() throws IOException, InterruptedException {
    Path small = Files.createDirectory(directory.resolve("disk"));
    int mounted;
    try {
      mounted = command("mount", "-t", "tmpfs", "-o", "size=120k", "tmpfs", small.toString());
    } catch (IOException e) {
      mounted = -1;
    }
    Assumptions.assumeTrue(mounted == 0, "a tmpfs may not be mounted here");
    disk = small;
    Path study = directory.resolve("study.yaml");
    Files.writeString(study, TOY_STUDY);
    Path whole = directory.resolve("whole");
    assertThat(espalier("run", study, "-q", "--out", whole).code()).isZero();

    Path out = small.resolve("run");
    CommandLineKit.Ended full = espalier("run", study, "-q", "--out", out);
    assertThat(full.code()).as(full.out()).isEqualTo(2);
    assertThat(full.err()).contains("[RESOURCE]").contains("finished records stay readable");
    RecordLog.Content<CellRecord> content = RecordLog.read(out.resolve("records.jsonl"));
    assertThat(content.records().size()).isBetween(1, 8);
    assertThat(content.tornBytes()).isZero();

    assertThat(command("mount", "-o", "remount,size=32m", small.toString())).isZero();
    CommandLineKit.Ended resumed = espalier("resume", out, "-q");
    assertThat(resumed.code()).as(resumed.err()).isZero();
    assertThat(withoutTimes(out)).isEqualTo(withoutTimes(whole));
  }

  private static List<String> withoutTimes(Path run) {
    return RecordLog.read(run.resolve("records.jsonl")).records().values().stream()
        .map(RecordLog::withoutTimes)
        .sorted()
        .toList();
  }
}
