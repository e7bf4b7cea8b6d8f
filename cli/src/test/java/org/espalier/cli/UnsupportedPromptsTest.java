package org.espalier.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.espalier.cli.CommandLineKit.espalier;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.espalier.records.CellRecord;
import org.espalier.records.RecordLog;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Prompts without the metadata that an evaluator checks. */
@SuppressWarnings("NullAway.Init")
class UnsupportedPromptsTest {
  private static final String STUDY =
      """
      study: mixed
      seed: 1
      prompts: {file: mixed.jsonl}
      budgets: {unit: flops, levels: [1x]}
      models: {var: {id: infinity, weights: nano}}
      verifiers:
        search: SEARCH
        evaluate: [{id: shapes-exact}, {id: clip, weights: nano}]
        unsupported: UNSUPPORTED
      arms: [{strategy: single}]
      """;

  @TempDir Path directory;

  @BeforeEach
  void prompts() throws IOException {
    Files.writeString(
        directory.resolve("mixed.jsonl"),
        """
        {"prompt": "a photo of a red circle", "include": [{"class": "circle", "count": 1, "color": "red"}]}

        {"prompt": "a blue square"}
        {"prompt": "a green star"}
        """);
  }

  private Path study(String search, String unsupported) throws IOException {
    return Files.writeString(
        directory.resolve("study.yaml"),
        STUDY.replace("SEARCH", search).replace("UNSUPPORTED", unsupported));
  }

  @Test
  void validateNamesTheFirstByFileAndLine() throws IOException {
    CommandLineKit.Ended ended = espalier("validate", study("{id: clip, weights: nano}", "refuse"));
    assertThat(ended.code()).isEqualTo(2);
    assertThat(ended.err())
        .contains(
            "[CAPABILITY] " + directory.resolve("mixed.jsonl") + ":3: The evaluator (shapes-exact)",
            "cannot judge 2 of 3 prompts, such as \"a blue square\": ",
            "has no metadata to check.",
            "\nMaybe set verifiers.unsupported: skip");
  }

  @Test
  void aVerifierThatDrivesTheSearchMustJudgeAll() throws IOException {
    CommandLineKit.Ended ended = espalier("validate", study("{id: shapes-exact}", "skip"));
    assertThat(ended.code()).isEqualTo(2);
    assertThat(ended.err()).contains("mixed.jsonl:3: The verifier (shapes-exact) cannot judge 2");
  }

  @Test
  void anEvaluatorThatJudgesNoneIsRefused() throws IOException {
    Files.writeString(directory.resolve("mixed.jsonl"), "{\"prompt\": \"a blue square\"}\n");
    CommandLineKit.Ended ended = espalier("validate", study("{id: clip, weights: nano}", "skip"));
    assertThat(ended.code()).isEqualTo(2);
    assertThat(ended.err())
        .contains("mixed.jsonl:1: ", "cannot judge 1 of 1 prompts", "or another verifier.");
  }

  @Test
  void skippedPromptsHaveNoValueAndNoFailure() throws IOException {
    Path run = directory.resolve("run");
    CommandLineKit.Ended ended =
        espalier("run", study("{id: clip, weights: nano}", "skip"), "-q", "--out", run);
    assertThat(ended.code()).as(ended.err()).isZero();
    int asked = 0;
    for (CellRecord record : RecordLog.read(run.resolve("records.jsonl")).records().values()) {
      CellRecord.Done done = (CellRecord.Done) record;
      CellRecord.Judged exact = done.evaluation().answer().get(0);
      CellRecord.Judged clip = done.evaluation().answer().get(1);
      assertThat(exact.evaluator()).isEqualTo("shapes-exact");
      assertThat(exact.failed()).isNull();
      assertThat(clip.value()).isNotNull();
      assertThat(exact.value() != null).isEqualTo(record.prompt().id().equals("00000"));
      asked += exact.value() == null ? 0 : 1;
    }
    assertThat(asked).isEqualTo(1);
    assertThat(Files.readString(run.resolve("report/index.html")))
        .doesNotContain("the evaluator failed");
    assertThat(espalier("resume", run, "-q").code()).isZero();
  }
}
