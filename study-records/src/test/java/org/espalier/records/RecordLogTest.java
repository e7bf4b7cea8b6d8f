package org.espalier.records;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The file of cell records: old ones stay readable, damaged ones are left out. */
@SuppressWarnings("NullAway.Init")
class RecordLogTest {
  @TempDir Path directory;
  private Path log;
  private CellRecord first;

  /** The record of the first schema, and eight like it. */
  @BeforeEach
  void write() throws IOException {
    Path golden = Path.of("src/test/resources/golden/record-v1.jsonl");
    first = RecordLog.read(golden).records().values().iterator().next();
    log = Files.copy(golden, directory.resolve("records.jsonl"));
    try (RecordLog appending = RecordLog.append(log)) {
      for (int i = 1; i < 9; i++) {
        appending.write(changed(String.valueOf(i).repeat(64), false));
      }
    }
  }

  private CellRecord changed(String cell, boolean failed) throws JsonProcessingException {
    ObjectNode tree = (ObjectNode) RecordLog.tree(first);
    tree.put("cell", cell);
    if (failed) {
      tree.put("status", "failed").remove(List.of("images", "tree"));
      tree.putObject("error").put("code", "NATIVE").put("message", "[NATIVE] It broke.");
    }
    return RunFiles.JSON.treeToValue(tree, CellRecord.class);
  }

  @Test
  void recordsOfTheFirstSchemaStayReadable() throws IOException {
    Path golden = Path.of("src/test/resources/golden/record-v1.jsonl");
    RecordLog.Content<CellRecord> content = RecordLog.read(golden);
    assertThat(content.damagedLines()).isEmpty();
    assertThat(content.tornBytes()).isZero();
    assertThat(first.schema()).isEqualTo(1);
    assertThat(RecordLog.line(first)).isEqualTo(Files.readString(golden));
    assertThat(RecordLog.readEndings(golden))
        .isEqualTo(
            new RecordLog.Content<>(
                Map.of(first.cell(), ending(first)), content.wholeBytes(), 0, List.of()));
  }

  private static RecordLog.Ending ending(CellRecord record) {
    CellRecord.@Nullable Done done = record instanceof CellRecord.Done d ? d : null;
    return new RecordLog.Ending(
        record.schema(),
        record.cell(),
        done == null ? "failed" : "done",
        done == null
            ? null
            : new RecordLog.Ending.Answer(done.images().answer(), done.images().answerSha256()),
        done == null ? null : done.tree());
  }

  @Test
  void theEndingsOfARunAreThoseOfItsRecords() throws IOException {
    try (RecordLog appending = RecordLog.append(log)) {
      appending.write(changed(first.cell(), true));
    }
    Map<String, RecordLog.Ending> endings = new LinkedHashMap<>();
    RecordLog.read(log).records().forEach((cell, record) -> endings.put(cell, ending(record)));
    assertThat(endings.values()).extracting(RecordLog.Ending::status).contains("done", "failed");
    assertThat(RecordLog.readEndings(log).records()).isEqualTo(endings);
  }

  @Test
  void rubbishInTheFileIsNeverFatal() throws IOException {
    byte[] good = Files.readAllBytes(log);
    for (int length = 0; length < 700; length += 7) {
      Files.write(log, Arrays.copyOf(good, good.length - length));
      RecordLog.Content<CellRecord> content = RecordLog.read(log);
      assertThat(content.wholeBytes() + content.tornBytes()).isEqualTo(good.length - length);
      assertThat(content.records().size()).isBetween(8, 9);
    }
    Files.write(
        log,
        "\n\nnot json\n{}\n\u0000\n".getBytes(StandardCharsets.UTF_8),
        StandardOpenOption.APPEND);
    assertThat(RecordLog.read(log).records()).hasSizeBetween(8, 9);
  }
}
