package org.espalier.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.espalier.cli.CommandLineKit.TOY_STUDY;
import static org.espalier.cli.CommandLineKit.espalier;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.espalier.records.CellRecord;
import org.espalier.records.RecordLog;
import org.espalier.records.RunDirectory;
import org.espalier.study.toys.ToyEncoder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whole studies on the toys, through the command line. */
@SuppressWarnings("NullAway.Init")
class StudyRunTest {
  @TempDir Path directory;

  private Path study(String text) throws IOException {
    Path file = directory.resolve("study.yaml");
    Files.writeString(file, text);
    return file;
  }

  private Path run(String name, Object... more) throws IOException {
    Path out = directory.resolve(name);
    Object[] args =
        Stream.concat(
                Stream.of("run", directory.resolve("study.yaml"), "-q", "--out", out),
                Stream.of(more))
            .toArray();
    CommandLineKit.Ended ended = espalier(args);
    assertThat(ended.code()).as(ended.err()).isZero();
    return out;
  }

  private static List<String> withoutTimes(Path run) {
    return RecordLog.read(run.resolve("records.jsonl")).records().values().stream()
        .map(RecordLog::withoutTimes)
        .sorted()
        .toList();
  }

  private static List<String> withoutTimesInOrder(Path run) {
    return RecordLog.read(run.resolve("records.jsonl")).records().values().stream()
        .map(RecordLog::withoutTimes)
        .toList();
  }

  @Test
  void aStudyEndsWithTableRecordsImagesTreesAndReport() throws IOException {
    Path out = directory.resolve("out");
    CommandLineKit.Ended ended = espalier("run", study(TOY_STUDY), "--out", out);
    assertThat(ended.code()).as(ended.err()).isZero();
    assertThat(ended.out())
        .contains("Budget 1x", "Budget 4x", "toy-bright", "verifier score", "report:");
    assertThat(ended.err()).contains("9/9 cells");
    for (String file :
        List.of(
            "study.yaml",
            "run.json",
            "resolved.json",
            "plan.json",
            "environment.json",
            "prompts.jsonl",
            "records.jsonl",
            "report/index.html")) {
      assertThat(out.resolve(file)).isNotEmptyFile();
    }
    RecordLog.Content<CellRecord> content = RecordLog.read(out.resolve("records.jsonl"));
    assertThat(content.tornBytes()).isZero();
    assertThat(content.records()).hasSize(9);
    for (CellRecord record : content.records().values()) {
      CellRecord.Done done = (CellRecord.Done) record;
      assertThat(done.spent().utilisation()).isBetween(0.0, 1.0);
      assertThat(record.axes().totalFlops()).isLessThanOrEqualTo(record.budget().limit());
      Map<String, CellRecord.Axes> phases = done.spent().phases();
      assertThat(phases).containsKeys("encode", "generate", "decode", "verify");
      long sum = phases.values().stream().mapToLong(CellRecord.Axes::flops).sum();
      assertThat(sum).isEqualTo(record.axes().flops());
      assertThat(out.resolve(done.images().answer())).isNotEmptyFile();
      assertThat(out.resolve(String.valueOf(done.tree()))).isNotEmptyFile();
      assertThat(record.metric()).isIn(0.0, 1.0);
    }
  }

  @Test
  void aSecondRunAndOtherBatchSizesGiveTheSameRecordsButForTimes() throws IOException {
    study(TOY_STUDY);
    List<String> first = withoutTimesInOrder(run("one"));
    assertThat(withoutTimesInOrder(run("two"))).isEqualTo(first);
    assertThat(withoutTimesInOrder(run("three", "--batch", 1))).isEqualTo(first);
    assertThat(withoutTimes(run("four", "--jobs", 3)).stream().sorted().toList())
        .isEqualTo(first.stream().sorted().toList());
    assertThat(withoutTimes(run("five", "--seed", 8)))
        .isNotEqualTo(first.stream().sorted().toList());
  }

  @Test
  void treesRepeatByteForByte() throws IOException {
    study(TOY_STUDY);
    Path one = run("one");
    Path two = run("two", "--batch", 1);
    try (Stream<Path> files = Files.list(one.resolve("trees"))) {
      List<Path> all = files.toList();
      assertThat(all).hasSize(18);
      for (Path file : all) {
        assertThat(two.resolve("trees").resolve(file.getFileName().toString()))
            .hasSameBinaryContentAs(file);
      }
    }
  }

  @Test
  void pricingRunsNoNetwork() throws IOException {
    study(TOY_STUDY.replace("toy-scale", "toy-encoder"));
    Path out = run("out");
    ToyEncoder.BROKEN.set(true);
    try {
      for (List<Object> args :
          List.<List<Object>>of(
              List.of("validate", directory.resolve("study.yaml")),
              List.of("plan", directory.resolve("study.yaml")),
              List.of("resume", out))) {
        CommandLineKit.Ended ended = espalier(args.toArray());
        assertThat(ended.code()).as(args + ": " + ended.err()).isZero();
      }
      CommandLineKit.Ended again =
          espalier("run", directory.resolve("study.yaml"), "--out", directory.resolve("again"));
      assertThat(again.out() + again.err()).contains("the text encoder ran");
    } finally {
      ToyEncoder.BROKEN.set(false);
    }
  }

  @Test
  void resumeSkipsWhatIsDoneAndMendsATornTail() throws IOException {
    study(TOY_STUDY);
    Path out = run("out");
    Path log = out.resolve("records.jsonl");
    List<String> expected = withoutTimes(out);
    List<String> lines = Files.readAllLines(log);
    String torn = lines.get(5).substring(0, 200);
    Files.writeString(log, String.join("\n", lines.subList(0, 5)) + "\n" + torn);
    CommandLineKit.Ended ended = espalier("resume", out);
    assertThat(ended.code()).as(ended.err()).isZero();
    assertThat(ended.err())
        .contains("9 cells, 5 of them done before")
        .contains("The last record was torn (200 bytes)");
    assertThat(withoutTimes(out)).isEqualTo(expected);
    assertThat(Files.readAllLines(log)).hasSize(9);
    assertThat(espalier("resume", out).err()).contains("9 of them done before");
  }

  @Test
  void aDamagedLineIsReportedAndItsCellRunAgain() throws IOException {
    study(TOY_STUDY);
    Path out = run("out");
    Path log = out.resolve("records.jsonl");
    List<String> expected = withoutTimes(out);
    String text = Files.readString(log);
    Files.writeString(log, text.replaceFirst("\"nfe\":4", "\"nfe\":3"));
    CommandLineKit.Ended report = espalier("report", out);
    assertThat(report.code()).isZero();
    assertThat(report.err()).contains("records.jsonl:1:1: The checksum is wrong");
    assertThat(espalier("resume", out).code()).isZero();
    assertThat(withoutTimes(out)).isEqualTo(expected);
  }

  @Test
  void aLostImageIsMadeAgain() throws IOException {
    study(TOY_STUDY);
    Path out = run("out");
    try (Stream<Path> images = Files.list(out.resolve("images"))) {
      Files.delete(images.findFirst().orElseThrow());
    }
    assertThat(espalier("resume", out).err()).contains("9 cells, 8 of them done before");
  }

  @Test
  void planSaysWhatEveryArmMayCostAndRunsNothing() throws IOException {
    Path file = study(TOY_STUDY);
    CommandLineKit.Ended ended = espalier("plan", file);
    assertThat(ended.code()).as(ended.err()).isZero();
    // Four samples of four steps for each of three prompts.
    assertThat(ended.out())
        .contains("9 cells", "3 cells of at most 84.5M flops: 48 nfe, 253M FLOPs, 12 images")
        .contains(
            "if all is spent on whole samples: 108 nfe", "time: at most about", "disk: about");
    try (Stream<Path> files = Files.list(directory)) {
      assertThat(files).containsExactly(file);
    }
  }

  @Test
  void resumeRefusesAChangedConfiguration() throws IOException {
    Path prompts = directory.resolve("prompts.txt");
    Files.writeString(prompts, "a red circle\n");
    study(
        TOY_STUDY.replace(
            "{inline: [a red circle, a blue square, two green stars]}", "{file: prompts.txt}"));
    Path out = run("out");
    Files.writeString(prompts, "a blue circle\n");
    assertThat(espalier("resume", out).code()).as("the run keeps its own prompts").isZero();
    Path own = out.resolve("prompts.jsonl");
    Files.writeString(own, Files.readString(own).replace("red", "blue"));
    CommandLineKit.Ended ended = espalier("resume", out);
    assertThat(ended.code()).isEqualTo(2);
    assertThat(ended.err()).contains("another configuration");
  }

  @Test
  void resumeRefusesRecordsOfOtherCode() throws IOException {
    study(TOY_STUDY);
    Path out = run("out");
    Path log = out.resolve("records.jsonl");
    CellRecord first = RecordLog.read(log).records().values().iterator().next();
    // What the same study would have written with another build of a plugin.
    ObjectNode other = (ObjectNode) RecordLog.tree(first);
    other.put("cell", "0".repeat(64));
    String line = RecordLog.line(new ObjectMapper().treeToValue(other, CellRecord.class));
    Files.writeString(log, line, StandardOpenOption.APPEND);
    CommandLineKit.Ended ended = espalier("resume", out);
    assertThat(ended.code()).isEqualTo(2);
    assertThat(ended.err()).contains("holds 1 records made with other weights");
  }

  @Test
  void failedVerdictsAreCountedAndNeverZero() throws IOException {
    study(
        TOY_STUDY.replace(
            "evaluate: {id: toy-bright}", "evaluate: {id: toy-bright, failOn: blue}"));
    Path out = run("out");
    CommandLineKit.Ended ended = espalier("report", out);
    assertThat(ended.out()).contains("1/3");
    for (CellRecord record : RecordLog.read(out.resolve("records.jsonl")).records().values()) {
      if (record.prompt().text().contains("blue")) {
        assertThat(record.metric()).isNull();
      } else {
        assertThat(record.metric()).isNotNull();
      }
    }
  }

  @Test
  void anArmMayBeDrivenByItsOwnVerifierAndByTheMetricIsAnOracle() throws IOException {
    study(
        TOY_STUDY.replace("levels: [4x]}", "levels: [4x], caps: {verifier_calls: 64}}")
            + "  - {name: bound, strategy: {id: best-of-n, n: auto}, verifier: {id: toy-bright}}\n");
    Path out = run("out");
    List<CellRecord> records =
        List.copyOf(RecordLog.read(out.resolve("records.jsonl")).records().values());
    assertThat(records).hasSize(12);
    for (CellRecord record : records) {
      boolean oracle = record.arm().equals("bound");
      assertThat(record.verifier()).isNotNull();
      assertThat(record.verifier().id()).isEqualTo(oracle ? "toy-bright" : "target");
      assertThat(record.verifier().independence()).isEqualTo(oracle ? "oracle" : "unknown");
      if (oracle) {
        assertThat(record.score()).isEqualTo(record.metric());
      }
    }
    assertThat(espalier("report", out).out()).contains("bound (oracle)", "alone (reference)");
    study(TOY_STUDY + "  - {name: bound, strategy: single, verifier: {id: toy-bright}}\n");
    // A verifier that costs nothing is asked no more often than sixteen times what samples need.
    Path free = run("free");
    assertThat(RecordLog.read(free.resolve("records.jsonl")).records().values())
        .filteredOn(record -> record.arm().equals("bound"))
        .isNotEmpty()
        .allSatisfy(record -> assertThat(record.budget().caps()).containsKey("verifier_calls"));
  }

  @Test
  void twoProcessesCannotWriteOneRun() throws Exception {
    study(TOY_STUDY);
    Path out = run("out");
    try (AutoCloseable lock = RunDirectory.open(out).lock()) {
      assertThat(lock).isNotNull();
      CommandLineKit.Ended ended = espalier("resume", out);
      assertThat(ended.code()).isEqualTo(2);
      assertThat(ended.err()).contains("another process");
    }
    assertThat(espalier("resume", out).code()).isZero();
  }
}
