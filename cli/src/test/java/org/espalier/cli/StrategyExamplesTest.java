package org.espalier.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.espalier.cli.CommandLineKit.espalier;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.Set;
import java.util.TreeSet;
import org.espalier.plugins.PluginRegistry;
import org.espalier.records.CellRecord;
import org.espalier.records.RecordLog;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every strategy has an example in YAML, and every example runs as it stands. */
@SuppressWarnings("NullAway.Init")
class StrategyExamplesTest {
  private static final Path EXAMPLES = Path.of("..", "examples", "strategies");

  @TempDir Path directory;

  @Test
  void everyExampleRunsInAStudy() throws IOException {
    // The only toy with every capability that a strategy may ask for.
    StringBuilder study =
        new StringBuilder(
            """
            study: examples
            prompts: {inline: [a red circle]}
            budgets: {levels: [24x]}
            models: {flow: {id: toy-flow, sampler: sde}}
            verifiers: {search: toy-target}
            arms:
            """);
    Set<String> strategies =
        PluginRegistry.discover(StrategyExamplesTest.class.getClassLoader()).strategies().keySet();
    for (String id : strategies) {
      String example = Files.readString(EXAMPLES.resolve(id + ".yaml"));
      study.append("- name: ").append(id).append('\n').append(example.indent(2));
    }
    Path file = directory.resolve("study.yaml");
    Files.writeString(file, study);
    Path out = directory.resolve("out");
    CommandLineKit.Ended ended = espalier("run", file, "-q", "--out", out);
    assertThat(ended.code()).as(ended.err()).isZero();
    Collection<CellRecord> records =
        RecordLog.read(out.resolve("records.jsonl")).records().values();
    assertThat(records).hasSize(15).allMatch(CellRecord::isDone);
    Set<String> ran = new TreeSet<>();
    records.forEach(record -> ran.add(record.strategy()));
    assertThat(ran).isEqualTo(new TreeSet<>(strategies));
    try (var files = Files.list(EXAMPLES)) {
      assertThat(files).as("no example without its strategy").hasSameSizeAs(strategies);
    }
  }
}
