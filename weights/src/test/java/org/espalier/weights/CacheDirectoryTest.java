package org.espalier.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

@DisabledOnOs(OS.WINDOWS)
class CacheDirectoryTest {
  private final Path temp;

  CacheDirectoryTest(@TempDir Path temp) throws IOException {
    this.temp = temp.toRealPath();
  }

  @Test
  void isMovedByTheEnvironment() {
    Map<String, String> all =
        Map.of("ESPALIER_CACHE", "/own", "XDG_CACHE_HOME", "/xdg", "HOME", "/home/ada");
    assertThat(CacheDirectory.place(all, "/root")).isEqualTo(Path.of("/own"));
    assertThat(CacheDirectory.place(Map.of("XDG_CACHE_HOME", "/xdg", "HOME", "/home/ada"), "/root"))
        .isEqualTo(Path.of("/xdg/espalier"));
    assertThat(CacheDirectory.place(Map.of("HOME", "/home/ada", "ESPALIER_CACHE", ""), "/root"))
        .isEqualTo(Path.of("/home/ada/.cache/espalier"));
    assertThat(CacheDirectory.place(Map.of(), "/root")).isEqualTo(Path.of("/root/.cache/espalier"));
  }

  @Test
  void isNeverInTheCurrentDirectory() {
    // What Java says of a user without an entry in the system's list.
    assertThatThrownBy(() -> CacheDirectory.place(Map.of(), "?"))
        .hasMessageStartingWith("[RESOURCE] There is no home directory (?)")
        .hasMessageContaining("Maybe set ESPALIER_CACHE");
    assertThatThrownBy(() -> CacheDirectory.place(Map.of("HOME", "", "XDG_CACHE_HOME", "x"), null))
        .hasMessageContaining("no home directory");
    assertThatThrownBy(() -> CacheDirectory.place(Map.of("ESPALIER_CACHE", "here"), "/root"))
        .hasMessageContaining("(ESPALIER_CACHE=here) is not an absolute path");
  }

  @Test
  void isMadeForThisUserAlone() throws IOException {
    Path made = CacheDirectory.checked(temp.resolve("a/b/espalier"));
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(made)))
        .isEqualTo("rwx------");
    assertThat(CacheDirectory.checked(made)).isEqualTo(made);
    Path link = Files.createSymbolicLink(temp.resolve("link"), made);
    assertThat(CacheDirectory.checked(link)).isEqualTo(made);
  }

  @Test
  void refusesWhatOthersCouldChange() throws IOException {
    Path open = Files.createDirectory(temp.resolve("open"));
    for (String mode : new String[] {"rwxrwx---", "rwx----w-", "rwxrwxrwx"}) {
      Files.setPosixFilePermissions(open, PosixFilePermissions.fromString(mode));
      assertThatThrownBy(() -> CacheDirectory.checked(open))
          .hasMessageStartingWith("[RESOURCE] ")
          .hasMessageContaining(mode)
          .hasMessageContaining("chmod go-w " + open);
    }
    assertThatThrownBy(() -> CacheDirectory.checked(open.resolve("inner")))
        .hasMessageContaining("lies in " + open);
    Files.setPosixFilePermissions(open, PosixFilePermissions.fromString("rwxr-xr-x"));
    assertThat(CacheDirectory.checked(open)).isEqualTo(open);
    Path file = Files.createFile(temp.resolve("file"));
    assertThatThrownBy(() -> CacheDirectory.checked(file))
        .hasMessageStartingWith("[RESOURCE] The cache directory " + file);
  }
}
