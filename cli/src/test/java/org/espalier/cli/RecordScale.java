package org.espalier.cli;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;

/**
 * A measurement, not a test: runs 10,000 cells on the toys, then gives commands on that run, each
 * by {@code ./espalier} as a user does, and prints wall and processor seconds. Started in the root
 * of the built project.
 */
public final class RecordScale {
  private static final String STUDY =
      """
      study: scale
      seeds: 4
      prompts: {file: prompts.jsonl}
      budgets: {levels: [4x]}
      models: {var: {id: toy-scale, steps: 4}}
      verifiers: {search: toy-target, evaluate: {id: toy-bright}}
      arms:
        - {name: alone, strategy: single, levels: [1x]}
        - {name: best of 3, strategy: {id: best-of-n, n: 3}}
        - {strategy: {id: best-of-n, n: auto}}
        - {name: narrow, strategy: {id: beam, width: 1, candidates: auto}}
        - {strategy: {id: beam, width: 2, candidates: auto}}
      """;

  private static final String TOYS = "study/target/test-classes:search-testkit/target/classes";

  private RecordScale() {}

  /**
   * @param args a directory; the run in it is used again if it is there
   */
  public static void main(String[] args) throws IOException, InterruptedException {
    Path directory = Files.createDirectories(Path.of(args[0]));
    Path run = directory.resolve("run");
    StringBuilder prompts = new StringBuilder();
    for (int i = 0; i < 500; i++) {
      prompts.append("{\"prompt\": \"object %d\", \"tag\": \"tag %d\"}%n".formatted(i, i % 6));
    }
    Files.writeString(directory.resolve("prompts.jsonl"), prompts);
    Path study = Files.writeString(directory.resolve("study.yaml"), STUDY);
    if (!Files.exists(run)) {
      measure("run", study.toString(), "--out", run.toString());
    }
    System.out.printf(
        Locale.ROOT, "records: %.1f MB%n", Files.size(run.resolve("records.jsonl")) * 1e-6);
    for (int i = 0; i < 10; i++) {
      measure("resume", run.toString());
    }
    measure("report", run.toString());
  }

  private static void measure(String... command) throws IOException, InterruptedException {
    ProcessBuilder builder = new ProcessBuilder(Path.of("espalier").toAbsolutePath().toString());
    builder.environment().put("ESPALIER_PLUGINS", TOYS);
    builder.command().addAll(List.of(command));
    long start = System.nanoTime();
    Process process = builder.redirectErrorStream(true).start();
    String last = "";
    Duration processor = Duration.ZERO;
    try (BufferedReader reader =
        new BufferedReader(
            new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        processor = process.info().totalCpuDuration().orElse(processor);
        if (line.startsWith("run: ")) {
          print(command[0] + " has decided", start, processor);
        }
        last = line;
      }
    }
    if (process.waitFor() != 0) {
      throw new IllegalStateException(String.join(" ", command) + ": " + last);
    }
    print(command[0] + " has ended", start, processor);
  }

  private static void print(String event, long start, Duration processor) {
    System.out.printf(
        Locale.ROOT,
        "%s: %.2f s (processor %.2f s)%n",
        event,
        (System.nanoTime() - start) * 1e-9,
        processor.toMillis() * 1e-3);
  }
}
