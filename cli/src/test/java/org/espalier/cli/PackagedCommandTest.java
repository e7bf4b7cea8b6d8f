package org.espalier.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.espalier.records.CellRecord;
import org.espalier.records.RecordLog;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** The command as a user starts it: a process with exit codes that ctrl-C can stop. */
@SuppressWarnings("NullAway.Init")
@DisabledOnOs(OS.WINDOWS)
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class PackagedCommandTest {
  private static final String STUDY =
      """
      study: stopped
      prompts: {inline: [one, two, three, four, five, six, seven, eight]}
      seeds: 5
      budgets: {unit: flops, levels: [4x]}
      models: {var: {id: toy-scale, steps: 4}}
      verifiers: {search: {id: toy-target, pauseMillis: 3}}
      arms:
        - {strategy: {id: best-of-n, n: auto}}
        - {strategy: {id: beam, width: 2, candidates: auto}}
      """;

  @TempDir Path directory;

  private static Process espalier(Object... args) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"));
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
    Stream.of(args).map(String::valueOf).forEach(command::add);
    return new ProcessBuilder(command).redirectOutput(ProcessBuilder.Redirect.DISCARD).start();
  }

  private static BufferedReader errors(Process process) {
    return new BufferedReader(
        new InputStreamReader(process.getErrorStream(), StandardCharsets.UTF_8));
  }

  private Path study(String text) throws IOException {
    return Files.writeString(directory.resolve("study.yaml"), text);
  }

  @Test
  void aWrongStudyEndsWithCodeTwoAndLeavesNothing() throws IOException, InterruptedException {
    Path study = study(STUDY.replace("id: beam", "id: baem"));
    Path out = directory.resolve("out");
    Process process = espalier("run", study, "--out", out);
    try (BufferedReader reader = errors(process)) {
      assertThat(reader.lines().toList())
          .containsExactly(
              "[CONFIG] " + study + ":9:21: The strategy (baem) of arms[1].strategy is unknown.",
              "Maybe you mean beam.");
    }
    assertThat(process.waitFor()).isEqualTo(2);
    assertThat(out).doesNotExist();
  }

  @Test
  void anOutputThatCannotBeWrittenEndsWithCodeTwo() throws IOException, InterruptedException {
    Path file = Files.writeString(directory.resolve("file"), "");
    Process process = espalier("run", study(STUDY), "--out", file.resolve("out"));
    try (BufferedReader reader = errors(process)) {
      assertThat(reader.lines().toList())
          .hasSize(2)
          .first()
          .asString()
          .startsWith("[CONFIG] The output directory (")
          .endsWith("file is not writable.");
    }
    assertThat(process.waitFor()).isEqualTo(2);
    assertThat(file).isEmptyFile();
  }

  @Test
  void controlCLeavesFinishedRecordsAndResumeCompletes() throws IOException, InterruptedException {
    Path out = directory.resolve("out");
    Process process = espalier("run", study(STUDY), "--out", out);
    try (BufferedReader reader = errors(process)) {
      String line;
      do {
        line = reader.readLine();
        assertThat(line).as("the run tells how far it is").isNotNull();
      } while (!line.contains("/80 cells"));
      new ProcessBuilder("kill", "-" + signal(), String.valueOf(process.pid())).start().waitFor();
      assertThat(reader.lines().toList())
          .allMatch(rest -> rest.contains("cells") || rest.startsWith("stopped: `espalier resume "))
          .last()
          .asString()
          .contains(out.toString());
    }
    assertThat(process.waitFor()).as("stopped by a signal").isGreaterThan(128);

    RecordLog.Content<CellRecord> stopped = RecordLog.read(out.resolve("records.jsonl"));
    assertThat(stopped.damagedLines()).isEmpty();
    assertThat(stopped.records().size()).isBetween(4, 79);

    assertThat(CommandLineKit.espalier("report", out).code()).isZero();
    CommandLineKit.Ended resumed = CommandLineKit.espalier("resume", out, "-q");
    assertThat(resumed.code()).as(resumed.err()).isZero();
    RecordLog.Content<CellRecord> whole = RecordLog.read(out.resolve("records.jsonl"));
    assertThat(whole.records()).hasSize(80).containsAllEntriesOf(stopped.records());
    assertThat(whole.records().values()).allMatch(CellRecord::isDone);
  }

  @Test
  void anExitOfAPluginIsNoSuccess() throws IOException, InterruptedException {
    Path out = directory.resolve("out");
    Process process =
        espalier(
            "run",
            study(
                STUDY.replace(
                    "id: toy-target, pauseMillis: 3", "id: toy-evil, does: exit, at: 40")),
            "--out",
            out);
    try (BufferedReader reader = errors(process)) {
      assertThat(reader.lines().toList())
          .anyMatch(line -> line.matches("\\[PLUGIN_CONTRACT\\] .*System.exit.*org.espalier.*"))
          .last()
          .asString()
          .contains("espalier resume " + out);
    }
    assertThat(process.waitFor()).isEqualTo(1);
    assertThat(RecordLog.read(out.resolve("records.jsonl")).records()).isNotEmpty();
  }

  @Test
  void anArgumentThatTheLocaleDamagesIsRefused() throws IOException, InterruptedException {
    // The shell writes the bytes of UTF-8, whatever the locale of this test is.
    ProcessBuilder builder =
        new ProcessBuilder(
            "sh",
            "-c",
            "exec \"$0\" \"$@\" \"$(printf 'a r\\303\\251d circle')\"",
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-cp",
            System.getProperty("java.class.path"),
            Main.class.getName(),
            "score",
            "x.png",
            "--prompt");
    builder.environment().put("LC_ALL", "C");
    Process process = builder.start();
    try (BufferedReader reader = errors(process)) {
      assertThat(reader.lines().toList())
          .first()
          .asString()
          .contains("[CONFIG]", "(a r\uFFFD\uFFFDd circle)", "locale's encoding");
    }
    assertThat(process.waitFor()).isEqualTo(2);
  }

  /** What ctrl-C sends; a process that was started in the background may be deaf to it. */
  private static String signal() throws IOException {
    Path status = Path.of("/proc/self/status");
    if (Files.isReadable(status)) {
      for (String line : Files.readAllLines(status)) {
        if (line.startsWith("SigIgn:")) {
          long ignored = Long.parseUnsignedLong(line.substring(7).strip(), 16);
          return (ignored & 2) == 0 ? "INT" : "TERM";
        }
      }
    }
    return "INT";
  }
}
