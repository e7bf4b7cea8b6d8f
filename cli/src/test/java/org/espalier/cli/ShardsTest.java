package org.espalier.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.espalier.cli.CommandLineKit.TOY_STUDY;
import static org.espalier.cli.CommandLineKit.espalier;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.espalier.records.CellRecord;
import org.espalier.records.RecordLog;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A study run in parts, on machines that know nothing of one another. */
@SuppressWarnings("NullAway.Init")
class ShardsTest {
  private static final int COUNT = 3;

  @TempDir Path directory;
  private Path study;

  @BeforeEach
  void study() throws IOException {
    StringBuilder prompts = new StringBuilder();
    for (int i = 0; i < 12; i++) {
      prompts.append(
          "{\"prompt\": \"a %d\", \"tag\": \"%s\"}\n".formatted(i, i % 5 == 0 ? "a" : "b"));
    }
    Files.writeString(directory.resolve("p.jsonl"), prompts);
    study =
        Files.writeString(
            directory.resolve("study.yaml"),
            TOY_STUDY.replaceFirst("prompts: .*", "prompts: {file: p.jsonl}\nseeds: 2"));
  }

  private Path run(String name, Object... more) {
    Path out = directory.resolve(name);
    List<Object> args = new ArrayList<>(List.of("run", study, "-q", "--out", out));
    args.addAll(List.of(more));
    CommandLineKit.Ended ended = espalier(args.toArray());
    assertThat(ended.code()).as(ended.err()).isZero();
    return out;
  }

  private List<Path> shards() {
    List<Path> shards = new ArrayList<>();
    for (int i = 1; i <= COUNT; i++) {
      shards.add(run("shard" + i, "--shard", i + "/" + COUNT));
    }
    return shards;
  }

  private static CommandLineKit.Ended merge(Path out, List<Path> runs, Object... more) {
    return espalier(
        Stream.of(Stream.of("merge", "--out", out), runs.stream(), Stream.of(more))
            .flatMap(part -> part)
            .toArray());
  }

  private static List<String> withoutTimes(Path run) {
    return RecordLog.read(run.resolve("records.jsonl")).records().values().stream()
        .map(RecordLog::withoutTimes)
        .toList();
  }

  private static Map<String, Long> files(Path run, String folder) throws IOException {
    try (Stream<Path> files = Files.list(run.resolve(folder))) {
      Map<String, Long> sizes = new TreeMap<>();
      for (Path file : files.toList()) {
        sizes.put(file.getFileName().toString(), Files.size(file));
      }
      return sizes;
    }
  }

  @Test
  void mergedShardsAreTheRunOfAll() throws IOException {
    Path whole = run("whole");
    List<Path> shards = shards();
    Path merged = directory.resolve("merged");
    CommandLineKit.Ended ended =
        merge(merged, List.of(shards.get(2), shards.get(0), shards.get(1)));
    assertThat(ended.code()).as(ended.err()).isZero();
    assertThat(ended.err()).contains("72 cells of 3 runs, 0 of them in two");
    assertThat(withoutTimes(merged)).isEqualTo(withoutTimes(whole));
    assertThat(files(merged, "images")).isEqualTo(files(whole, "images"));
    assertThat(files(merged, "trees")).isEqualTo(files(whole, "trees"));
    assertThat(espalier("resume", merged).err()).contains("72 cells, 72 of them done before");
    assertThat(espalier("compare", whole, merged).code()).isZero();
    assertThat(espalier("export", merged, "--to", "csv,geneval").code()).isZero();
  }

  @Test
  void everyShardHasItsShareOfEachArmAndCategory() {
    for (Path shard : shards()) {
      Map<String, Integer> counts = new HashMap<>();
      for (CellRecord record : RecordLog.read(shard.resolve("records.jsonl")).records().values()) {
        counts.merge(record.arm() + " " + record.prompt().tag(), 1, Integer::sum);
      }
      // Six cells of category a and eighteen of b an arm, dealt to three.
      assertThat(counts.values()).allMatch(count -> count == 2 || count == 6);
      assertThat(counts).hasSize(6);
    }
  }

  @Test
  void aShardIsResumedAsOne() throws IOException {
    Path shard = run("one", "--shard", "2/3");
    Path log = shard.resolve("records.jsonl");
    List<String> before = withoutTimes(shard);
    List<String> lines = Files.readAllLines(log);
    Files.writeString(log, String.join("\n", lines.subList(0, 5)) + "\n");
    CommandLineKit.Ended ended = espalier("resume", shard);
    assertThat(ended.err()).contains("24 cells, 5 of them done before");
    assertThat(withoutTimes(shard)).isEqualTo(before);
  }

  @Test
  void aMissingShardIsRefusedUnlessAllowed() {
    List<Path> shards = shards();
    Path merged = directory.resolve("merged");
    CommandLineKit.Ended ended = merge(merged, List.of(shards.get(0), shards.get(2)));
    assertThat(ended.code()).isEqualTo(2);
    assertThat(ended.err()).contains("[CONFIG] The shards [2] are missing.");
    assertThat(merged).doesNotExist();
    ended = merge(merged, List.of(shards.get(0), shards.get(2)), "--partial");
    assertThat(ended.code()).as(ended.err()).isZero();
    assertThat(ended.err()).contains("48 cells", "missing shards: [2]");
    assertThat(espalier("resume", merged).err()).contains("72 cells, 48 of them done before");
    assertThat(withoutTimes(merged)).hasSize(72);
  }

  @Test
  void duplicatesAreTakenOnceAndDisagreementIsRefused() throws IOException {
    List<Path> shards = shards();
    Path again = run("again", "--shard", "2/3");
    Path merged = directory.resolve("merged");
    CommandLineKit.Ended ended =
        merge(merged, List.of(shards.get(0), shards.get(1), again, shards.get(2)));
    assertThat(ended.err()).contains("72 cells of 4 runs, 24 of them in two");
    Path log = again.resolve("records.jsonl");
    CellRecord first = RecordLog.read(log).records().values().iterator().next();
    String line = RecordLog.line(first);
    String score = "\"score\":" + first.score();
    String other = line.replace(score, "\"score\":0.125");
    assertThat(other).isNotEqualTo(line);
    Files.writeString(log, sealed(other));
    ended = merge(directory.resolve("m2"), List.of(shards.get(1), again), "--partial");
    assertThat(ended.code()).isEqualTo(2);
    assertThat(ended.err())
        .contains(
            "[CONFIG]", "disagree about the cell", shards.get(1).toString(), again.toString());
  }

  private static String sealed(String line) {
    int cut = line.lastIndexOf(",\"crc32c\"");
    String body = line.substring(0, cut);
    java.util.zip.CRC32C crc = new java.util.zip.CRC32C();
    crc.update(body.getBytes(java.nio.charset.StandardCharsets.UTF_8));
    return body
        + ",\"crc32c\":\""
        + java.util.HexFormat.of().toHexDigits((int) crc.getValue())
        + "\"}\n";
  }

  @Test
  void shardsOfDifferentStudiesAreRefused() {
    Path one = run("one", "--shard", "1/2");
    Path other = run("two", "--shard", "2/2", "--seed", 9);
    CommandLineKit.Ended ended = merge(directory.resolve("m"), List.of(one, other));
    assertThat(ended.code()).isEqualTo(2);
    assertThat(ended.err()).contains("[CONFIG]", "configuration differs");
    Path third = run("three", "--shard", "2/3");
    ended = merge(directory.resolve("m"), List.of(one, third));
    assertThat(ended.err()).contains("[CONFIG]", "one of 2 shards", "one of 3");
    for (String shard : List.of("0/2", "3/2", "1", "a/b", "-1/2", "1/0")) {
      ended = espalier("run", study, "--shard", shard);
      assertThat(ended.code()).as(shard).isEqualTo(2);
      assertThat(ended.err()).contains("[CONFIG] The shard (" + shard + ")");
    }
  }
}
