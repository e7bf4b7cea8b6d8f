package org.espalier.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.espalier.plugins.PluginRegistry;
import org.espalier.study.Study;
import org.espalier.study.StudySource;
import org.espalier.study.StudySpec;
import org.junit.jupiter.api.Test;
import picocli.CommandLine.Command;

/** What the documentation shows is what the program takes. */
class DocumentationTest {
  private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();
  private static final Pattern YAML = Pattern.compile("```yaml\\n(study:.*?)```", Pattern.DOTALL);
  private static final PluginRegistry PLUGINS =
      PluginRegistry.discover(DocumentationTest.class.getClassLoader());

  @Test
  void everyExampleStudyBinds() throws IOException {
    try (Stream<Path> files = Files.list(ROOT.resolve("examples/studies"))) {
      List<Path> studies = files.filter(file -> file.toString().endsWith(".yaml")).toList();
      assertThat(studies).hasSizeGreaterThanOrEqualTo(2);
      for (Path file : studies) {
        Study study = Study.bind(StudySource.read(file, List.of()), PLUGINS);
        assertThat(study.prompts()).as(file.toString()).hasSizeGreaterThanOrEqualTo(12);
      }
    }
  }

  @Test
  void everyStudyInTheDocumentationBinds() throws IOException {
    int found = 0;
    for (String name : List.of("README.md", "docs/studies.md")) {
      Matcher matcher = YAML.matcher(Files.readString(ROOT.resolve(name)));
      while (matcher.find()) {
        found++;
        Study study = Study.bind(new StudySource(name, matcher.group(1), ROOT, List.of()), PLUGINS);
        assertThat(study.arms()).as(name).isNotEmpty();
      }
    }
    assertThat(found).isGreaterThanOrEqualTo(2);
  }

  @Test
  void everyCommandIsDescribed() throws IOException {
    String text = Files.readString(ROOT.resolve("docs/studies.md"));
    for (Class<?> command : Main.COMMANDS) {
      assertThat(text).contains("`" + command.getAnnotation(Command.class).name());
    }
  }

  @Test
  void theSchemaKnowsEveryKeyAndPlugin() {
    CommandLineKit.Ended ended = CommandLineKit.espalier("schema");
    assertThat(ended.code()).isZero();
    assertThat(ended.out())
        .contains("additionalProperties")
        .contains("best-of-n", "beam", "infinity", "flux", "clip", "shapes-exact");
    for (var component : StudySpec.class.getRecordComponents()) {
      assertThat(ended.out()).contains("\"" + component.getName() + "\"");
    }
  }

  @Test
  void helpChangesOnlyOnPurpose() throws IOException {
    StringBuilder all = new StringBuilder();
    all.append(CommandLineKit.espalier("--help").out());
    for (Class<?> command : Main.COMMANDS) {
      String name = command.getAnnotation(Command.class).name();
      all.append("\n== ").append(name).append('\n');
      all.append(CommandLineKit.espalier(name, "--help").out());
    }
    Golden.check("help.txt", all.toString().replace("\r\n", "\n"));
  }
}
