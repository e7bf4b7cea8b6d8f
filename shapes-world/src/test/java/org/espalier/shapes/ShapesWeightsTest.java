package org.espalier.shapes;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ShapesWeightsTest {
  private static final String ROOT = "org/espalier/shapes/weights/";

  private final Path temp;

  ShapesWeightsTest(@TempDir Path temp) {
    this.temp = temp;
  }

  /** A tree of files with the names of the bundles clip/nano and flux/nano. */
  private Path tree() throws IOException {
    Path root = temp.resolve("tree");
    for (String file :
        List.of(
            "clip-nano/config.json",
            "clip-nano/text/tokenizer.json",
            "flux-nano/config.json",
            "flux-nano-ae/config.json",
            "flux-nano-ae/ae.safetensors")) {
      Path path = root.resolve(ROOT + file);
      Files.createDirectories(path.getParent());
      Files.writeString(path, "content of " + file);
    }
    WeightsIndex.main(new String[] {root.resolve(ROOT).toString()});
    return root;
  }

  private Path jar() throws IOException {
    Path tree = tree();
    Path jar = temp.resolve("weights.jar");
    try (OutputStream out = Files.newOutputStream(jar);
        JarOutputStream zip = new JarOutputStream(out);
        Stream<Path> files = Files.walk(tree)) {
      for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
        zip.putNextEntry(new ZipEntry(tree.relativize(file).toString().replace('\\', '/')));
        zip.write(Files.readAllBytes(file));
      }
    }
    return jar;
  }

  private static URLClassLoader loader(Path classPath) throws IOException {
    return new URLClassLoader(new URL[] {classPath.toUri().toURL()}, null);
  }

  private static List<Path> files(Path root) throws IOException {
    try (Stream<Path> files = Files.walk(root)) {
      return files.filter(Files::isRegularFile).map(root::relativize).sorted().toList();
    }
  }

  @Test
  void plainFilesAreUsedInPlace() throws IOException {
    Path tree = tree();
    try (URLClassLoader loader = loader(tree)) {
      ShapesWeights weights = new ShapesWeights(loader, () -> temp.resolve("cache"));
      assertThat(weights.names()).containsExactly("clip/nano", "flux/nano");
      assertThat(weights.directory("clip/nano")).isEqualTo(tree.resolve(ROOT + "clip-nano"));
      assertThat(temp.resolve("cache")).doesNotExist();
    }
  }

  @Test
  void aJarIsUnpackedOnceWithWhatIsShared() throws IOException {
    try (URLClassLoader loader = loader(jar())) {
      Path cache = temp.resolve("a cache");
      ShapesWeights weights = new ShapesWeights(loader, () -> cache);
      assertThat(weights.names()).containsExactly("clip/nano", "flux/nano");
      assertThat(cache).doesNotExist();
      Path flux = weights.directory("flux/nano");
      assertThat(flux.resolve("config.json")).hasContent("content of flux-nano/config.json");
      assertThat(flux.resolve("../flux-nano-ae/ae.safetensors"))
          .hasContent("content of flux-nano-ae/ae.safetensors");
      assertThat(flux.resolve("../clip-nano")).doesNotExist();
      Object before = Files.readAttributes(flux.resolve("config.json"), "*").get("fileKey");
      assertThat(new ShapesWeights(loader, () -> cache).directory("flux/nano")).isEqualTo(flux);
      assertThat(Files.readAttributes(flux.resolve("config.json"), "*").get("fileKey"))
          .isEqualTo(before);
      assertThat(weights.directory("clip/nano").resolve("text/tokenizer.json"))
          .hasContent("content of clip-nano/text/tokenizer.json");
    }
  }

  @Test
  void damagedCopiesAreReplaced() throws IOException {
    try (URLClassLoader loader = loader(jar())) {
      ShapesWeights weights = new ShapesWeights(loader, () -> temp.resolve("cache"));
      Path flux = weights.directory("flux/nano");
      Path ae = flux.resolve("../flux-nano-ae/ae.safetensors");
      String content = Files.readString(ae);
      List<Path> files = files(temp.resolve("cache"));
      for (String damage :
          List.of("", content.substring(1), content.replace('c', 'C'), content + " ")) {
        Files.writeString(ae, damage);
        assertThat(weights.directory("flux/nano")).isEqualTo(flux);
        assertThat(ae).hasContent(content);
      }
      Files.delete(ae);
      weights.directory("flux/nano");
      assertThat(ae).hasContent(content);
      assertThat(files(temp.resolve("cache"))).isEqualTo(files);
    }
  }

  @Test
  void manyCanUnpackAtOnce() throws Exception {
    Path cache = temp.resolve("cache");
    ExecutorService pool = Executors.newFixedThreadPool(8);
    try (URLClassLoader loader = loader(jar())) {
      List<Callable<Path>> tasks = new ArrayList<>();
      for (int i = 0; i < 32; i++) {
        tasks.add(() -> new ShapesWeights(loader, () -> cache).directory("flux/nano"));
      }
      for (Future<Path> task : pool.invokeAll(tasks)) {
        assertThat(task.get().resolve("config.json"))
            .hasContent("content of flux-nano/config.json");
      }
    } finally {
      pool.shutdown();
    }
    assertThat(files(cache)).hasSize(3);
  }

  /** Run in a process of its own: unpacks clip/nano and flux/nano from a jar into a cache. */
  static final class Unpack {
    public static void main(String[] arguments) throws IOException {
      try (URLClassLoader loader = loader(Path.of(arguments[0]))) {
        ShapesWeights weights = new ShapesWeights(loader, () -> Path.of(arguments[1]));
        weights.directory("clip/nano");
        weights.directory("flux/nano");
      }
    }
  }

  @Test
  void severalProcessesCanUnpackAtOnce() throws Exception {
    Path jar = jar();
    Path cache = temp.resolve("cache");
    List<Process> processes = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      processes.add(
          new ProcessBuilder(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "-cp",
                  System.getProperty("java.class.path"),
                  Unpack.class.getName(),
                  jar.toString(),
                  cache.toString())
              .inheritIO()
              .start());
    }
    for (Process process : processes) {
      assertThat(process.waitFor()).isZero();
    }
    assertThat(files(cache)).hasSize(5);
    try (URLClassLoader loader = loader(jar)) {
      assertThat(
              new ShapesWeights(loader, () -> cache).directory("clip/nano").resolve("config.json"))
          .hasContent("content of clip-nano/config.json");
    }
  }

  @Test
  void aDamagedJarIsRefused() throws IOException {
    Path tree = tree();
    Files.writeString(tree.resolve(ROOT + "clip-nano/config.json"), "another content");
    Path jar = temp.resolve("weights.jar");
    try (OutputStream out = Files.newOutputStream(jar);
        JarOutputStream zip = new JarOutputStream(out)) {
      for (String file : List.of("index.txt", "clip-nano/config.json")) {
        zip.putNextEntry(new ZipEntry(ROOT + file));
        zip.write(Files.readAllBytes(tree.resolve(ROOT + file)));
      }
    }
    try (URLClassLoader loader = loader(jar)) {
      assertThatThrownBy(
              () -> new ShapesWeights(loader, () -> temp.resolve("cache")).directory("clip/nano"))
          .hasMessageStartingWith("[RESOURCE] The bundled weights (clip-nano) cannot be unpacked")
          .hasMessageContaining("the jar's copy of clip-nano/config.json is damaged");
    }
    assertThat(files(temp.resolve("cache"))).isEmpty();
  }

  @Test
  void aCacheThatCannotBeWrittenIsSaidSo() throws IOException {
    Path file = Files.writeString(temp.resolve("file"), "");
    try (URLClassLoader loader = loader(jar())) {
      assertThatThrownBy(() -> new ShapesWeights(loader, () -> file).directory("clip/nano"))
          .hasMessageStartingWith("[RESOURCE] The bundled weights (clip-nano) cannot be unpacked")
          .hasMessageEndingWith(
              "Maybe free some disk space, or set ESPALIER_CACHE to a directory that can be"
                  + " written.");
    }
  }

  @Test
  void unknownNamesAreRefusedWithTheKnownOnes() throws IOException {
    try (URLClassLoader loader = loader(tree())) {
      assertThatThrownBy(() -> new ShapesWeights(loader, () -> temp).directory("clip/nanno"))
          .hasMessage(
              "[CONFIG] There are no bundled weights of the name (clip/nanno).\n"
                  + "Maybe use one of clip/nano, flux/nano.");
      assertThatThrownBy(() -> new ShapesWeights(loader, () -> temp).directory("infinity/nano"))
          .hasMessageStartingWith(
              "[RESOURCE] The bundled weights (infinity-nano) are not on the class path.");
    }
  }

  @Test
  void aMalformedIndexIsRefused() {
    assertThatThrownBy(() -> WeightsIndex.read(new ByteArrayInputStream("abc def".getBytes(UTF_8))))
        .isInstanceOf(IOException.class)
        .hasMessage("the line \"abc def\" of index.txt is malformed");
  }
}
