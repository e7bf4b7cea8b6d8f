package org.espalier.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** What the page on adding a strategy shows is what is compiled and tested here. */
class DocumentationTest {
  private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();
  private static final Pattern SNIPPET =
      Pattern.compile("<!-- source: (\\S+) -->\\s*```[a-z]*\\n(.*?)```", Pattern.DOTALL);

  @Test
  void showsTheCompiledSource() throws IOException {
    String page = read(ROOT.resolve("docs/add-a-strategy.md"));
    Matcher snippet = SNIPPET.matcher(page);
    int snippets = 0;
    while (snippet.find()) {
      String source = read(ROOT.resolve(snippet.group(1)));
      assertThat(snippet.group(2).strip())
          .as(snippet.group(1))
          .isEqualTo(source.substring(Math.max(0, source.indexOf("import "))).strip());
      snippets++;
    }
    assertThat(snippets).isEqualTo(5);
  }

  private static String read(Path file) throws IOException {
    return Files.readString(file);
  }
}
