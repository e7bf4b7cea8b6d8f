package org.espalier.plugins;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Fingerprints of the code that plugins come from. */
@SuppressWarnings("NullAway.Init")
class PluginCodeTest {
  @TempDir Path directory;

  @Test
  void rebuiltPluginCodeHasAnotherFingerprint() throws IOException {
    Path jar = directory.resolve("plugin.jar");
    String first = fingerprint(jar, "one");
    assertThat(fingerprint(jar, "one")).isEqualTo(first);
    assertThat(fingerprint(directory.resolve("other.jar"), "two")).isNotEqualTo(first);
    assertThat(PluginCode.fingerprint(String.class)).isEqualTo("none");
    assertThat(PluginCode.fingerprint(PluginCodeTest.class)).hasSize(64);
  }

  private static String fingerprint(Path jar, String body) throws IOException {
    try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(jar))) {
      for (String name : List.of("META-INF/MANIFEST.MF", "a/Plugin.class")) {
        zip.putNextEntry(new ZipEntry(name));
        zip.write((name + body).getBytes(StandardCharsets.UTF_8));
        zip.closeEntry();
      }
    }
    return PluginCode.read(jar);
  }
}
