package org.espalier.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.espalier.cli.CommandLineKit.TOY_STUDY;
import static org.espalier.cli.CommandLineKit.espalier;

import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import org.espalier.records.CellRecord;
import org.espalier.records.RecordLog;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What editors, version control and disks do to a run: nothing that was computed is lost. */
@SuppressWarnings("NullAway.Init")
class DamagedRunTest {
  @TempDir Path directory;

  private Path run;
  private Path log;
  private String records;

  @BeforeEach
  void aFinishedRun() throws IOException {
    Path study = Files.writeString(directory.resolve("study.yaml"), TOY_STUDY);
    run = directory.resolve("run");
    assertThat(espalier("run", study, "-q", "--out", run).code()).isZero();
    log = run.resolve("records.jsonl");
    records = Files.readString(log);
  }

  @Test
  void recordsWithCarriageReturnsAreRead() throws IOException {
    String windows = records.replace("\n", "\r\n");
    Files.writeString(log, windows);
    CommandLineKit.Ended ended = espalier("resume", run);
    assertThat(ended.code()).as(ended.err()).isZero();
    assertThat(ended.err()).doesNotContain("torn").doesNotContain("checksum");
    assertThat(log).hasContent(windows);
  }

  @Test
  void recordsInAnotherEncodingAreRefusedAndStay() throws IOException {
    for (Charset charset : List.of(StandardCharsets.UTF_16LE, StandardCharsets.UTF_16)) {
      byte[] bytes = records.getBytes(charset);
      Files.write(log, bytes);
      byte[] report = Files.readAllBytes(run.resolve("report/index.html"));
      for (String command : List.of("resume", "report")) {
        CommandLineKit.Ended ended = espalier(command, run);
        assertThat(ended.code()).as(command).isEqualTo(2);
        assertThat(ended.err()).contains("[CONFIG]", "records.jsonl", "None of the 9 lines");
      }
      assertThat(log).hasBinaryContent(bytes);
      assertThat(run.resolve("report/index.html")).hasBinaryContent(report);
    }
  }

  @Test
  void damagedLinesAtTheEndStayAndTheirCellsAreRunAgain() throws IOException {
    String damaged =
        records
            .lines()
            .skip(4)
            .map(line -> line.replaceFirst("\"study\":\"toy\"", "\"study\":\"tox\""))
            .collect(Collectors.joining("\n", "", "\n"));
    String kept = records.lines().limit(4).collect(Collectors.joining("\n", "", "\n")) + damaged;
    Files.writeString(log, kept);
    CommandLineKit.Ended ended = espalier("resume", run);
    assertThat(ended.code()).as(ended.err()).isZero();
    assertThat(ended.err())
        .contains("records.jsonl:5:1", "records.jsonl:9:1", "stays in the file", "9/9 cells")
        .doesNotContain("torn");
    assertThat(Files.readString(log)).startsWith(kept);
    assertThat(RecordLog.read(log).records()).hasSize(9);
  }

  @Test
  void onlyATailWithoutItsNewlineIsTorn() throws IOException {
    String torn = records.substring(0, records.length() - 100);
    Files.writeString(log, torn);
    assertThat(espalier("report", run).err()).contains("torn");
    assertThat(log).hasContent(torn);
    assertThat(espalier("resume", run).code()).isZero();
    assertThat(RecordLog.read(log).records()).hasSize(9);
    assertThat(RecordLog.read(log).damagedLines()).isEmpty();
  }

  @Test
  void aGoodReportIsNotReplacedByAnEmptyOne() throws IOException {
    byte[] report = Files.readAllBytes(run.resolve("report/index.html"));
    Files.writeString(log, "");
    CommandLineKit.Ended ended = espalier("report", run);
    assertThat(ended.code()).isEqualTo(2);
    assertThat(ended.err()).contains("[CONFIG]", "has no record");
    assertThat(run.resolve("report/index.html")).hasBinaryContent(report);
  }

  @Test
  void aDamagedAnswerIsMadeAgain() throws IOException {
    CellRecord first = RecordLog.read(log).records().values().iterator().next();
    Path answer = run.resolve(((CellRecord.Done) first).images().answer());
    byte[] good = Files.readAllBytes(answer);
    byte[] bad = good.clone();
    bad[bad.length / 2] ^= 1;
    Files.write(answer, bad);
    assertThat(espalier("resume", run).err()).contains("9/9 cells");
    assertThat(answer).hasBinaryContent(good);
  }

  @Test
  void aDamagedAnswerIsNotExported() throws IOException {
    CellRecord first = RecordLog.read(log).records().values().iterator().next();
    Files.writeString(run.resolve(((CellRecord.Done) first).images().answer()), "not an image");
    CommandLineKit.Ended ended =
        espalier("export", run, "--to", "geneval", "--out", directory.resolve("export"));
    assertThat(ended.code()).isEqualTo(2);
    assertThat(ended.err()).contains("[CONFIG]", "its hash differs", "espalier resume");
  }

  @Test
  void aRunIsCompleteInItself() throws IOException {
    Path prompts = Files.writeString(directory.resolve("p.txt"), "a red circle\na blue square\n");
    Path study =
        Files.writeString(
            directory.resolve("study.yaml"),
            TOY_STUDY.replaceFirst("prompts: .*", "prompts: {file: p.txt}"));
    Path from = directory.resolve("from");
    assertThat(espalier("run", study, "-q", "--out", from).code()).isZero();
    Files.delete(prompts);
    Files.delete(study);
    Path moved = Files.move(from, directory.resolve("moved"));
    Files.delete(moved.resolve("report/index.html"));
    Files.writeString(moved.resolve("records.jsonl"), "");
    CommandLineKit.Ended ended = espalier("resume", moved);
    assertThat(ended.code()).as(ended.err()).isZero();
    assertThat(ended.err()).contains("6/6 cells");
    assertThat(espalier("report", moved).code()).isZero();
    assertThat(espalier("reproduce", moved).code()).isZero();
  }
}
