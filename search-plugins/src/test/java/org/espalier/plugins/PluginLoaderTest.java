package org.espalier.plugins;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import javax.tools.JavaCompiler;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Plugins outside the class path, compiled and packaged as a stranger would. */
@SuppressWarnings("NullAway.Init")
class PluginLoaderTest {
  private static final ClassLoader HERE = PluginLoaderTest.class.getClassLoader();
  private static final String STRATEGIES = "META-INF/services/org.espalier.spi.StrategyProvider";

  @TempDir Path directory;

  private static String provider(String name, String id) {
    return """
        public class %s implements org.espalier.spi.StrategyProvider<%s.Config> {
          public record Config() {}
          public String id() { return %s; }
          public Class<Config> configType() { return Config.class; }
          public org.espalier.api.SearchStrategy create(Config config) { return null; }
        }
        """
        .formatted(name, name, id);
  }

  /** A jar of classes compiled from sources by name, and of further entries. */
  private Path jar(String file, Map<String, String> sources, Map<String, String> entries)
      throws IOException {
    Path work = Files.createTempDirectory(directory, "classes");
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    List<String> arguments =
        new ArrayList<>(
            List.of(
                "-d",
                work.toString(),
                "-cp",
                System.getProperty("java.class.path") + File.pathSeparator + work));
    for (Map.Entry<String, String> source : sources.entrySet()) {
      Path java = work.resolve(source.getKey() + ".java");
      arguments.add(Files.writeString(java, source.getValue()).toString());
    }
    if (!sources.isEmpty()) {
      assertThat(compiler.run(null, null, null, arguments.toArray(String[]::new))).isZero();
    }
    Path jar = directory.resolve(file);
    Files.createDirectories(jar.getParent());
    try (OutputStream out = Files.newOutputStream(jar);
        JarOutputStream zip = new JarOutputStream(out);
        Stream<Path> classes = Files.list(work)) {
      for (Path each : classes.filter(path -> path.toString().endsWith(".class")).toList()) {
        zip.putNextEntry(new ZipEntry(each.getFileName().toString()));
        zip.write(Files.readAllBytes(each));
      }
      for (Map.Entry<String, String> entry : new TreeMap<>(entries).entrySet()) {
        zip.putNextEntry(new ZipEntry(entry.getKey()));
        zip.write(entry.getValue().getBytes(StandardCharsets.UTF_8));
      }
    }
    return jar;
  }

  private static PluginRegistry registry(Path... path) {
    String joined = String.join(File.pathSeparator, Stream.of(path).map(Path::toString).toList());
    return PluginRegistry.discover(HERE, PluginLoader.onPath(joined, HERE));
  }

  @Test
  void twoPluginsBringDifferentVersionsOfOneLibrary() throws IOException {
    for (String version : List.of("1", "2")) {
      jar(
          "plugins/p" + version + "/library.jar",
          Map.of(
              "Library", "public class Library { public static String v = \"v" + version + "\"; }"),
          Map.of());
      jar(
          "plugins/p" + version + "/plugin.jar",
          Map.of(
              "Plugin" + version,
              provider("Plugin" + version, "Library.v"),
              "Library",
              "public class Library { public static String v; }"),
          Map.of(STRATEGIES, "Plugin" + version + "\n"));
      // What a plugin is compiled against travels beside it, not within.
      removeLibrary(directory.resolve("plugins/p" + version + "/plugin.jar"));
    }
    PluginRegistry registry = registry(directory.resolve("plugins"));
    assertThat(registry.strategies()).containsOnlyKeys("v1", "v2");
    assertThat(fingerprint(registry, "v1")).isNotEqualTo(fingerprint(registry, "v2"));
  }

  private static String fingerprint(PluginRegistry registry, String strategy) {
    return PluginCode.fingerprint(
        Objects.requireNonNull(registry.strategies().get(strategy)).getClass());
  }

  private static void removeLibrary(Path jar) throws IOException {
    try (var files = java.nio.file.FileSystems.newFileSystem(jar)) {
      Files.delete(files.getPath("Library.class"));
    }
  }

  @Test
  void aLibraryBesideAPluginIsPartOfItsFingerprint() throws IOException {
    jar("one/a.jar", Map.of("A", provider("A", "\"a\"")), Map.of(STRATEGIES, "A"));
    jar("one/library.jar", Map.of(), Map.of("x.txt", "1"));
    jar("two/a.jar", Map.of("A", provider("A", "\"a\"")), Map.of(STRATEGIES, "A"));
    jar("two/library.jar", Map.of(), Map.of("x.txt", "2"));
    assertThat(fingerprint(registry(directory.resolve("one")), "a"))
        .isNotEqualTo(fingerprint(registry(directory.resolve("two")), "a"));
  }

  @Test
  void aClassInTwoJarsIsRefused() throws IOException {
    Path old = jar("old.jar", Map.of("A", provider("A", "\"a\"")), Map.of(STRATEGIES, "A"));
    Path fresh = jar("new.jar", Map.of("A", provider("A", "\"b\"")), Map.of(STRATEGIES, "A"));
    assertThatThrownBy(() -> registry(old, fresh))
        .hasMessageContainingAll("[PLUGIN_CONTRACT]", "(A)", "old.jar", "new.jar", "twice");
  }

  @Test
  void anIdTakenTwiceNamesBothJars() throws IOException {
    Path a = jar("a.jar", Map.of("A", provider("A", "\"x\"")), Map.of(STRATEGIES, "A"));
    Path b = jar("b.jar", Map.of("B", provider("B", "\"x\"")), Map.of(STRATEGIES, "B"));
    assertThatThrownBy(() -> registry(a, b))
        .hasMessageContainingAll("[PLUGIN_CONTRACT]", "(x)", "a.jar", "b.jar");
  }

  @Test
  void brokenJarsAreNamed() throws IOException {
    Path rubbish = Files.writeString(directory.resolve("rubbish.jar"), "no zip");
    assertThatThrownBy(() -> registry(rubbish))
        .hasMessageContainingAll("[PLUGIN_CONTRACT]", "rubbish.jar", "not a readable jar");
    Path folder = Files.createDirectory(directory.resolve("folder"));
    Files.copy(rubbish, folder.resolve("r.jar"));
    assertThatThrownBy(() -> registry(folder)).hasMessageContaining("r.jar");
    Path missing = jar("m.jar", Map.of(), Map.of(STRATEGIES, "NoSuchClass"));
    assertThatThrownBy(() -> registry(missing))
        .hasMessageContainingAll("[PLUGIN_CONTRACT]", "NoSuchClass");
    Path idless = jar("i.jar", Map.of("I", provider("I", "null")), Map.of(STRATEGIES, "I"));
    assertThatThrownBy(() -> registry(idless))
        .hasMessageContainingAll("[PLUGIN_CONTRACT]", "has no id", "i.jar");
    Path throwing =
        jar("t.jar", Map.of("T", provider("T", "\"a\".substring(5)")), Map.of(STRATEGIES, "T"));
    assertThatThrownBy(() -> registry(throwing)).hasMessageContaining("[PLUGIN_CONTRACT]");
  }
}
