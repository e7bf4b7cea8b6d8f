package org.espalier.records;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class WholeFileTest {
  private static final byte[] NEW = "new".getBytes(StandardCharsets.UTF_8);

  @Test
  void aFileIsReplacedAndNothingElseIsLeft(@TempDir Path directory) throws IOException {
    Path file = Files.writeString(directory.resolve("x.png"), "old");
    Path part = Files.writeString(directory.resolve("x.png.part"), "the user's");
    WholeFile.write(file, NEW);
    assertThat(file).hasContent("new");
    assertThat(part).hasContent("the user's");
    try (var files = Files.list(directory)) {
      assertThat(files).containsExactlyInAnyOrder(file, part);
    }
  }

  @Test
  void missingDirectoriesAreMade(@TempDir Path directory) {
    Path file = directory.resolve("a/b/c");
    WholeFile.write(file, NEW);
    assertThat(file).hasContent("new");
  }

  @Test
  void aLinkIsNeitherFollowedNorReplaced(@TempDir Path directory) throws IOException {
    Path target = Files.writeString(directory.resolve("target"), "old");
    Path link = Files.createSymbolicLink(directory.resolve("link"), target);
    Path dangling = Files.createSymbolicLink(directory.resolve("d"), directory.resolve("none"));
    for (Path each : new Path[] {link, dangling}) {
      assertThatThrownBy(() -> WholeFile.write(each, NEW))
          .hasMessageContainingAll("[CONFIG]", each.toString(), "symbolic link");
      assertThat(each).isSymbolicLink();
    }
    assertThat(target).hasContent("old");
    assertThat(directory.resolve("none")).doesNotExist();
  }

  @Test
  void whatIsNoRegularFileIsWrittenThrough(@TempDir Path directory) throws Exception {
    Path pipe = directory.resolve("pipe");
    Process made = new ProcessBuilder("mkfifo", pipe.toString()).start();
    org.junit.jupiter.api.Assumptions.assumeTrue(made.waitFor() == 0, "no named pipes here");
    Process reader = new ProcessBuilder("cat", pipe.toString()).start();
    WholeFile.write(pipe, NEW);
    assertThat(new String(reader.getInputStream().readAllBytes(), StandardCharsets.UTF_8))
        .isEqualTo("new");
    assertThat(Files.readAttributes(pipe, "isOther").get("isOther")).isEqualTo(true);
    assertThatThrownBy(() -> WholeFile.write(directory, NEW))
        .hasMessageContainingAll("[CONFIG]", "is a directory");
  }
}
