package org.espalier.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Texts that may change only on purpose: {@code -Despalier.golden=update} writes them anew. */
public final class Golden {
  private Golden() {}

  /**
   * Compares with {@code src/test/resources/golden/NAME}.
   *
   * @param name of the file
   * @param actual what was produced
   */
  public static void check(String name, String actual) throws IOException {
    if ("update".equals(System.getProperty("espalier.golden"))) {
      Path file = Path.of("src/test/resources/golden", name);
      Files.createDirectories(file.getParent());
      Files.writeString(file, actual);
      return;
    }
    try (InputStream in = Golden.class.getResourceAsStream("/golden/" + name)) {
      assertThat(in).as("golden file %s", name).isNotNull();
      assertThat(actual).isEqualTo(new String(in.readAllBytes(), StandardCharsets.UTF_8));
    }
  }
}
