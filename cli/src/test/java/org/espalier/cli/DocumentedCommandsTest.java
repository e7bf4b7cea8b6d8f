package org.espalier.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Every command of the documentation is executed: those of {@code sh} blocks, and those within a
 * line that start with {@code ./espalier}. A comment before a block, {@code <!-- The build adds to
 * run: ... -->}, says in the documentation itself how a search is made small enough for a build;
 * studies of inline commands are cut by {@link #SMALL}.
 */
@SuppressWarnings("NullAway.Init")
class DocumentedCommandsTest {
  private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();
  private static final Pattern COMMANDS =
      Pattern.compile(
          "(?:<!-- The build adds to run: (.*?) -->\\n)?```sh\\n(.*?)```|`(\\./espalier [^`\\n]*)`",
          Pattern.DOTALL);
  private static final Pattern WORD = Pattern.compile("\"([^\"]*)\"|(\\S+)");

  /** What runs this very test, the same for longer, and formatting, which a build must not do. */
  private static final Set<String> MAVEN =
      Set.of("-B verify", "-B -Pnightly verify", "-q -Dfast -pl cli -am test", "spotless:apply");

  /** Inline commands that are not run, and why. */
  private static final Set<String> NOT_RUN =
      // The study stands below it in the same page, where DocumentationTest binds it.
      Set.of("./espalier run single.yaml --seed SEED");

  private static final List<String> SMALL =
      List.of("--set", "prompts.limit=1", "--set", "budgets.levels=[2x]");

  @TempDir Path directory;
  private Path lastRun = ROOT;

  @Test
  void everyDocumentedCommandRuns() throws IOException {
    Set<String> done = new LinkedHashSet<>();
    for (Path page : pages()) {
      Matcher matcher = COMMANDS.matcher(Files.readString(page));
      while (matcher.find()) {
        if (matcher.group(3) != null) {
          execute(page, matcher.group(3), SMALL, done);
        } else {
          List<String> added = matcher.group(1) == null ? List.of() : words(matcher.group(1));
          for (String line : matcher.group(2).split("\n", -1)) {
            String command = line.replaceFirst("\\s+#.*$", "").strip();
            if (!command.isEmpty()) {
              execute(page, command, added, done);
            }
          }
        }
      }
    }
    System.out.println("documented commands executed: " + done);
    assertThat(done).hasSizeGreaterThanOrEqualTo(8);
  }

  /** The README first: its run is the RUN of later commands. */
  private static List<Path> pages() throws IOException {
    List<Path> pages = new ArrayList<>(List.of(ROOT.resolve("README.md")));
    pages.add(ROOT.resolve("CONTRIBUTING.md"));
    try (Stream<Path> files = Files.walk(ROOT.resolve("docs"))) {
      files.filter(file -> file.toString().endsWith(".md")).sorted().forEach(pages::add);
    }
    return pages;
  }

  private void execute(Path page, String command, List<String> added, Set<String> done) {
    if (NOT_RUN.contains(command)) {
      return;
    }
    if (command.startsWith("./mvnw ")) {
      assertThat(MAVEN).as(page + ": " + command).contains(command.substring(7));
      return;
    }
    if (!command.startsWith("./espalier ")) {
      fail(page + ": the build cannot run: " + command);
    }
    if (!done.add(command)) {
      return;
    }
    List<String> args = new ArrayList<>();
    for (String word : words(command.substring(11))) {
      args.add(argument(word));
    }
    if (args.get(0).equals("run")) {
      lastRun = directory.resolve("run-" + done.size());
      args.addAll(added);
      args.addAll(List.of("--out", lastRun.toString(), "--quiet"));
    }
    CommandLineKit.Ended ended = CommandLineKit.espalier(args.toArray());
    assertThat(ended.code()).as("%s: %s%n%s", page, command, ended.err()).isZero();
    assertThat(ended.out()).as(command).isNotBlank();
  }

  /** Commands are given at the root; files that they make go into a directory of this test. */
  private String argument(String word) {
    if (word.equals("RUN")) {
      return lastRun.toString();
    }
    if (word.endsWith(".png")) {
      return directory.resolve(word).toString();
    }
    return word.endsWith(".yaml") ? ROOT.resolve(word).toString() : word;
  }

  private static List<String> words(String line) {
    List<String> words = new ArrayList<>();
    Matcher matcher = WORD.matcher(line);
    while (matcher.find()) {
      words.add(matcher.group(1) != null ? matcher.group(1) : matcher.group(2));
    }
    return words;
  }
}
