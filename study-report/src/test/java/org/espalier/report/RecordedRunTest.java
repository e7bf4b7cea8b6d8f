package org.espalier.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.espalier.records.RunDirectory;
import org.espalier.records.RunFiles;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A run is read, reported and exported from its directory alone. */
@SuppressWarnings("NullAway.Init")
class RecordedRunTest {
  @TempDir Path directory;
  private RunDirectory run;

  @BeforeEach
  void layOut() throws IOException {
    run = new RunDirectory(directory.resolve("run"));
    RunFiles.writeJson(
        run.run(),
        Map.of("study", "toy", "started", "2026-11-22T07:50:16Z", "configSha256", "0123456789"));
    RunFiles.writeJson(run.resolved(), Map.of());
    RunFiles.writeJson(run.environment(), Map.of());
    RunFiles.writeJson(run.plan(), Map.of("tolerance", 0.05));
    Files.writeString(run.prompts(), "{\"id\": \"00000\", \"prompt\": \"a red circle\"}\n");
    Files.copy(
        Path.of("../study-records/src/test/resources/golden/record-v1.jsonl"), run.records());
  }

  /** Neither the networks nor the engine nor any plugin is on the class path of these tests. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "ai.djl.engine.Engine",
        "org.espalier.torch.TorchEngine",
        "org.espalier.engine.SearchEngine",
        "org.espalier.study.Studies",
        "org.espalier.verifiers.ClipProvider"
      })
  void isReadWithout(String type) {
    assertThatThrownBy(() -> Class.forName(type)).isInstanceOf(ClassNotFoundException.class);
  }

  @Test
  void theReportIsOneFile() throws IOException {
    Path report = HtmlReport.write(RunData.read(run));
    assertThat(Files.readString(report)).contains("toy-bright", "best-of-n", "Chart.js");
  }

  @ParameterizedTest
  @EnumSource(
      value = RunExport.Form.class,
      mode = EnumSource.Mode.EXCLUDE,
      names = {"GENEVAL", "T2I_COMPBENCH"})
  void everyTableIsExported(RunExport.Form form) {
    Path written = RunExport.write(RunData.read(run), form, directory.resolve("out"), note -> {});
    assertThat(written).exists();
  }

  @Test
  void latexEscapesWhatTexWouldRead() {
    Table table = new Table("", 1, List.of("a"), List.of(List.of("{50 % ^_~}")));
    assertThat(table.latex())
        .contains("\\{50 \\% \\textasciicircum{}\\_\\textasciitilde{}\\} \\\\");
  }
}
