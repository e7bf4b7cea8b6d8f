package org.espalier.records;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.espalier.api.EspalierException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@SuppressWarnings("NullAway.Init")
class RunDirectoryTest {
  @TempDir Path directory;

  @Test
  void aNameThatLeadsOutOfARunIsRefused() throws IOException {
    Path root = directory.resolve("run");
    Files.createDirectories(root.resolve("images"));
    RunDirectory run = new RunDirectory(root);
    assertThat(run.file("images/a-1.png")).isEqualTo(root.resolve("images/a-1.png"));
    Files.createSymbolicLink(root.resolve("trees"), directory);
    Files.createSymbolicLink(root.resolve("images/link.png"), Path.of("elsewhere"));
    for (String name :
        List.of(
            "/etc/passwd",
            "../secret",
            "images/../../secret",
            "images//a.png",
            "",
            ".",
            "trees/a.json",
            "images/link.png",
            "images\\..\\a",
            "C:a",
            "a\0b")) {
      assertThatThrownBy(() -> run.file(name))
          .as(name)
          .isInstanceOf(EspalierException.class)
          .hasMessageContainingAll("[CONFIG]", "not one of its own");
    }
  }

  @Test
  void runsThatStartTogetherTakeDifferentNames() throws Exception {
    List<RunDirectory.Claim> claims =
        together(8, () -> RunDirectory.claimFresh(directory.resolve("runs"), "study"));
    Set<String> names = new TreeSet<>();
    for (RunDirectory.Claim claim : claims) {
      names.add(claim.directory().root().getFileName().toString());
      claim.lock().close();
    }
    assertThat(names).hasSize(8).contains("study", "study-2", "study-8");
  }

  @Test
  void ofTwoRunsInOneDirectoryOneIsMade() throws Exception {
    List<String> outcomes =
        together(
            8,
            () -> {
              try {
                RunDirectory.claim(directory.resolve("run"));
                return "made";
              } catch (EspalierException e) {
                return e.code().name();
              }
            });
    assertThat(outcomes).containsOnlyOnce("made");
    assertThat(outcomes).containsOnly("made", "RESOURCE");
  }

  private static <T> List<T> together(int count, Callable<T> action) throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(count);
    try {
      List<T> results = new ArrayList<>();
      for (Future<T> future : pool.invokeAll(java.util.Collections.nCopies(count, action))) {
        results.add(future.get());
      }
      return results;
    } finally {
      pool.shutdown();
    }
  }

  @Test
  void aDirectoryWithSomethingInItIsRefusedAndStaysAsItIs() throws IOException {
    for (String name : List.of("a.txt", "b", "prompts.jsonl", "study.yaml")) {
      Files.writeString(directory.resolve(name), "mine");
    }
    assertThatThrownBy(() -> RunDirectory.claim(directory))
        .hasMessageContainingAll("[CONFIG]", "not empty", "a.txt, b, prompts.jsonl and more");
    try (var files = Files.list(directory)) {
      assertThat(files).hasSize(4);
    }
  }
}
