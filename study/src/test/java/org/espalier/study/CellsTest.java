package org.espalier.study;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import org.espalier.plugins.PluginRegistry;
import org.espalier.study.toys.ToyEncoder;
import org.espalier.study.toys.ToyPlugin;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The cells of a study: what their keys hold, and in which order they are run. */
@SuppressWarnings("NullAway.Init")
class CellsTest {
  private static final String STUDY =
      """
      study: cells
      seeds: 2
      prompts: {file: prompts.jsonl}
      budgets: {levels: [2x]}
      models: {var: {id: toy-scale, steps: 2}}
      verifiers: {search: %s}
      arms: [{strategy: {id: best-of-n, n: auto}}]
      """;

  @TempDir Path directory;

  @Test
  void codeOfAVerifiersMemberIsPartOfTheKey() throws IOException {
    String own = "{id: toy-target}";
    String delegate = "{id: toy-delegate, member: {id: toy-delegate, member: {id: toy-plugin}}}";
    List<String> before = keys(delegate, "one");
    assertThat(keys(delegate, "one")).isEqualTo(before);
    assertThat(new HashSet<>(keys(delegate, "two"))).doesNotContainAnyElementsOf(before);
    assertThat(keys(own, "two")).isEqualTo(keys(own, "one"));
  }

  @Test
  void promptsOfAllTagsAreRunInTurn() throws IOException {
    List<Cell> cells = cells("toy-target", getClass().getClassLoader());
    assertThat(cells)
        .extracting(cell -> cell.seed() + " " + cell.prompt().text())
        .containsExactly(
            "0 a1", "0 b1", "0 c1", "0 a2", "0 b2", "0 a3", //
            "1 a1", "1 b1", "1 c1", "1 a2", "1 b2", "1 a3");
  }

  @Test
  void studiesOfOneProcessHaveALimitOfMemoryEach() throws IOException {
    PluginRegistry registry = PluginRegistry.discover(getClass().getClassLoader());
    String text = STUDY.replace("toy-scale", "toy-encoder").formatted("toy-target");
    Files.writeString(directory.resolve("prompts.jsonl"), "{\"prompt\": \"a\"}\n");
    ToyEncoder.CONTEXTS.clear();
    try (LoadedStudy narrow = load(text + "engine: {memory: 1MiB}\n", registry);
        LoadedStudy wide = load(text + "engine: {memory: 2GiB}\n", registry);
        LoadedStudy unlimited = load(text, registry)) {
      assertThat(ToyEncoder.CONTEXTS)
          .extracting(context -> context.memory().limit())
          .containsExactly(1L << 20, 2L << 30, 0L);
      assertThat(List.of(narrow, wide, unlimited)).doesNotHaveDuplicates();
    }
  }

  private LoadedStudy load(String text, PluginRegistry registry) throws IOException {
    Path file = Files.writeString(directory.resolve("study.yaml"), text);
    return LoadedStudy.load(Study.bind(StudySource.read(file, List.of()), registry), registry);
  }

  private List<String> keys(String search, String version) throws IOException {
    try (URLClassLoader plugins = plugin(version)) {
      return cells(search, plugins).stream().map(Cell::key).toList();
    }
  }

  private List<Cell> cells(String search, ClassLoader plugins) throws IOException {
    StringBuilder prompts = new StringBuilder();
    for (String text : List.of("a1", "a2", "a3", "b1", "b2", "c1")) {
      prompts.append(
          "{\"prompt\": \"%s\", \"tag\": \"%s\"}%n".formatted(text, text.substring(0, 1)));
    }
    Files.writeString(directory.resolve("prompts.jsonl"), prompts);
    Path file = Files.writeString(directory.resolve("study.yaml"), STUDY.formatted(search));
    PluginRegistry registry = PluginRegistry.discover(plugins);
    Study study = Study.bind(StudySource.read(file, List.of()), registry);
    try (LoadedStudy loaded = LoadedStudy.load(study, registry)) {
      return new StudyCells(loaded).all();
    }
  }

  /** A directory with {@link ToyPlugin} in it, which differs between versions in another file. */
  private URLClassLoader plugin(String version) throws IOException {
    Path root = directory.resolve(version);
    String name = ToyPlugin.class.getName();
    Path type = root.resolve(name.replace('.', '/') + ".class");
    Files.createDirectories(type.getParent());
    try (InputStream in = ToyPlugin.class.getResourceAsStream("ToyPlugin.class")) {
      Files.write(type, in == null ? new byte[0] : in.readAllBytes());
    }
    Files.writeString(root.resolve("table.csv"), version);
    Path services = Files.createDirectories(root.resolve("META-INF/services"));
    Files.writeString(services.resolve("org.espalier.spi.VerifierProvider"), name);
    return new URLClassLoader(new URL[] {root.toUri().toURL()}, getClass().getClassLoader()) {
      @Override
      protected Class<?> loadClass(String wanted, boolean resolve) throws ClassNotFoundException {
        synchronized (getClassLoadingLock(wanted)) {
          Class<?> known = findLoadedClass(wanted);
          if (wanted.equals(name)) {
            return known == null ? findClass(wanted) : known;
          }
          return super.loadClass(wanted, resolve);
        }
      }
    };
  }
}
