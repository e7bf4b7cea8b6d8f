package org.espalier.cli;

import static org.assertj.core.api.Assertions.as;
import static org.assertj.core.api.Assertions.assertThat;
import static org.espalier.cli.CommandLineKit.TOY_STUDY;
import static org.espalier.cli.CommandLineKit.espalier;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.espalier.records.CellRecord;
import org.espalier.records.RecordLog;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A plugin that misbehaves costs its cell, never the run. */
@SuppressWarnings("NullAway.Init")
class MisbehavingPluginTest {
  @TempDir Path directory;

  private CommandLineKit.Ended run(String study) throws IOException {
    Path file = Files.writeString(directory.resolve("study.yaml"), study);
    return espalier("run", file, "--out", directory.resolve("run"), "--jobs", 1);
  }

  private List<CellRecord> records() {
    return List.copyOf(RecordLog.read(directory.resolve("run/records.jsonl")).records().values());
  }

  @ParameterizedTest
  @CsvSource({
    "sneaky, IOException: sneaked",
    "assertion, AssertionError: asserted",
    "missing_class, NoClassDefFoundError",
    "memory, OutOfMemoryError",
    "interrupt, left its thread interrupted"
  })
  void aSearchVerifierCostsItsCell(String misdeed, String message) throws IOException {
    CommandLineKit.Ended ended =
        run(
            TOY_STUDY.replace(
                "search: toy-target",
                "search: {id: toy-evil, does: " + misdeed + ", at: 6, times: 1}"));
    assertThat(ended.code()).as(ended.err()).isEqualTo(3);
    assertThat(ended.err())
        .containsPattern("\\[(NATIVE|PLUGIN_CONTRACT)\\] 1 of 9 cells failed")
        .doesNotContain("\tat ");
    assertThat(ended.out()).contains("report:");
    assertThat(records()).hasSize(9).filteredOn(record -> !record.isDone()).hasSize(1);
    assertThat(records())
        .filteredOn(record -> !record.isDone())
        .first()
        .satisfies(
            record ->
                assertThat(record)
                    .isInstanceOfSatisfying(
                        CellRecord.Failed.class,
                        failed -> assertThat(failed.error().message()).contains(message)));
  }

  @ParameterizedTest
  @CsvSource({
    "sneaky, IOException: sneaked",
    "assertion, AssertionError: asserted",
    "memory, OutOfMemoryError",
    "interrupt, left its thread interrupted"
  })
  void anEvaluatorCostsItsVerdictAndNotTheSearch(String misdeed, String message)
      throws IOException {
    CommandLineKit.Ended ended =
        run(
            TOY_STUDY.replace(
                "evaluate: {id: toy-bright}",
                "evaluate: [{id: toy-bright}, {id: toy-evil, does: %s, at: 1, times: 1}]"
                    .formatted(misdeed)));
    assertThat(ended.err()).doesNotContain("\tat ");
    assertThat(records()).hasSize(9).allMatch(CellRecord::isDone);
    assertThat(
            done(records()).stream()
                .map(record -> record.evaluation().answer().get(1).failed())
                .filter(Objects::nonNull))
        .singleElement(as(InstanceOfAssertFactories.STRING))
        .contains(message);
  }

  private static List<CellRecord.Done> done(Collection<CellRecord> records) {
    return records.stream().map(CellRecord.Done.class::cast).toList();
  }

  @Test
  void whatAnEvaluatorPaintsIsNeitherSavedNorJudged() throws IOException {
    String painting =
        TOY_STUDY.replace(
            "evaluate: {id: toy-bright}",
            "evaluate: [{id: toy-evil, does: paint}, {id: toy-bright}]");
    assertThat(run(painting).code()).isZero();
    List<CellRecord.Done> painted = done(records());
    Path honest =
        Files.writeString(
            directory.resolve("honest.yaml"),
            TOY_STUDY.replace(
                "evaluate: {id: toy-bright}", "evaluate: [{id: toy-target}, {id: toy-bright}]"));
    Path run = directory.resolve("honest");
    assertThat(espalier("run", honest, "-q", "--out", run).code()).isZero();
    List<CellRecord.Done> expected =
        done(RecordLog.read(run.resolve("records.jsonl")).records().values());
    assertThat(expected).hasSize(9);
    for (int i = 0; i < expected.size(); i++) {
      assertThat(painted.get(i).evaluation().answer())
          .extracting(CellRecord.Judged::value)
          .isEqualTo(
              expected.get(i).evaluation().answer().stream()
                  .map(CellRecord.Judged::value)
                  .toList());
      assertThat(painted.get(i).images().answerSha256())
          .isEqualTo(expected.get(i).images().answerSha256());
    }
  }

  @Test
  void aCloseThatThrowsIsANote() throws IOException {
    CommandLineKit.Ended ended =
        run(TOY_STUDY.replace("search: toy-target", "search: {id: toy-evil, does: close}"));
    assertThat(ended.code()).as(ended.err()).isZero();
    assertThat(ended.err()).contains("note: ", "close failed").doesNotContain("\tat ");
    assertThat(ended.out()).contains("report:");
  }

  @Test
  void aFailedSearchKeepsWhatItTookAndTried() throws IOException {
    run(
        TOY_STUDY.replace(
            "search: toy-target", "search: {id: toy-evil, does: assertion, at: 3, times: 1}"));
    CellRecord.Failed failed =
        records().stream()
            .filter(CellRecord.Failed.class::isInstance)
            .map(CellRecord.Failed.class::cast)
            .findFirst()
            .orElseThrow();
    assertThat(failed.axes().nfe()).isPositive();
    assertThat(failed.seconds()).isPositive();
    assertThat(directory.resolve("run").resolve(String.valueOf(failed.tree()))).isNotEmptyFile();
  }

  @Test
  void failedVerdictsOfASearchAreCountedEverywhere() throws IOException {
    CommandLineKit.Ended ended =
        run(
            TOY_STUDY.replace(
                "search: toy-target", "search: {id: toy-evil, does: fail, at: 2, times: 2}"));
    assertThat(ended.code()).as(ended.err()).isZero();
    assertThat(
            records().stream()
                .map(CellRecord::account)
                .filter(Objects::nonNull)
                .mapToLong(CellRecord.Account::failedVerdicts)
                .sum())
        .isEqualTo(2);
    assertThat(ended.out()).contains("(2 failed)");
    assertThat(espalier("export", directory.resolve("run"), "--to", "csv").code()).isZero();
    assertThat(Files.readString(directory.resolve("run/export/csv/cells.csv")))
        .contains("failed_verdicts");
  }

  @Test
  void aSearchThatWasNoneIsMarked() throws IOException {
    CommandLineKit.Ended ended =
        run(
            TOY_STUDY.replace(
                "{strategy: {id: beam, width: 2, candidates: auto}}",
                "{strategy: {id: beam, width: 4, candidates: auto}, levels: [2x]}"));
    assertThat(ended.code()).as(ended.err()).isZero();
    assertThat(ended.out())
        .contains("beam (independent samples only)")
        .doesNotContain("best-of-n (");
  }

  @Test
  void ifEveryEvaluationFailedTheExitCodeSaysSo() throws IOException {
    CommandLineKit.Ended ended =
        run(
            TOY_STUDY.replace(
                "evaluate: {id: toy-bright}", "evaluate: [{id: toy-evil, does: fail}]"));
    assertThat(ended.code()).isEqualTo(3);
    assertThat(ended.err()).contains("(target) has judged no answer");
    assertThat(records()).allMatch(CellRecord::isDone);
  }
}
