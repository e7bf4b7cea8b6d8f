package org.espalier.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What the pages on adding a strategy and a model show is what is compiled and tested. */
class DocumentationTest {
  private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();
  private static final Pattern SNIPPET =
      Pattern.compile("<!-- (source|part of): (\\S+) -->\\s*```[a-z]*\\n(.*?)```", Pattern.DOTALL);

  @ParameterizedTest
  @CsvSource({"docs/add-a-strategy.md, 5", "docs/add-a-model.md, 7", "docs/embed.md, 1"})
  void showsTheCompiledSource(String page, int wanted) throws IOException {
    Matcher snippet = SNIPPET.matcher(read(ROOT.resolve(page)));
    int snippets = 0;
    while (snippet.find()) {
      String source = read(ROOT.resolve(snippet.group(2)));
      String shown = snippet.group(3).stripTrailing();
      if (snippet.group(1).equals("source")) {
        assertThat(shown.strip())
            .as(snippet.group(2))
            .isEqualTo(source.substring(Math.max(0, source.indexOf("import "))).strip());
      } else {
        assertThat(source).as(snippet.group(2)).contains(shown);
      }
      snippets++;
    }
    assertThat(snippets).isEqualTo(wanted);
  }

  private static String read(Path file) throws IOException {
    return Files.readString(file);
  }
}
