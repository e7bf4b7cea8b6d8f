package org.espalier.plugins;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Enumeration;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import java.util.zip.ZipFile;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * The class loader of one plugin outside the class path: its jar and its libraries, which no other
 * plugin sees. What Espalier itself brings comes from the parent.
 */
public final class PluginLoader extends URLClassLoader {
  private static final String SERVICES = "META-INF/services/";
  private static final String OWN_SERVICES = SERVICES + "org.espalier.spi.";

  private final List<Path> files;

  private PluginLoader(List<Path> files, ClassLoader parent) {
    super("plugin " + files.get(0), urls(files), parent);
    this.files = List.copyOf(files);
  }

  private static URL[] urls(List<Path> files) {
    return files.stream()
        .map(
            file -> {
              try {
                return file.toUri().toURL();
              } catch (MalformedURLException e) {
                throw new IllegalStateException("files have addresses", e);
              }
            })
        .toArray(URL[]::new);
  }

  /** The plugin's jar or directory of classes first, then its libraries. */
  public List<Path> files() {
    return files;
  }

  /**
   * Loaders of the plugins on a path. An entry is a jar, a directory of classes, or a directory of
   * jars. In the latter every jar that offers a plugin has a loader of its own, together with the
   * jars beside it that offer none; a directory within it is one plugin with all its jars.
   *
   * @param path entries, separated as in a class path; empty entries and an absent directory are
   *     passed over
   * @param parent what all plugins see
   * @throws EspalierException PLUGIN_CONTRACT if an entry is neither a directory nor a readable jar
   */
  public static List<PluginLoader> onPath(String path, ClassLoader parent) {
    List<PluginLoader> loaders = new ArrayList<>();
    for (String entry : path.split(File.pathSeparator, -1)) {
      Path at = Path.of(entry);
      if (entry.isEmpty() || !Files.exists(at)) {
        continue;
      }
      for (List<Path> files : plugins(at)) {
        loaders.add(new PluginLoader(files, parent));
      }
    }
    return Collections.unmodifiableList(loaders);
  }

  private static List<List<Path>> plugins(Path entry) {
    if (!Files.isDirectory(entry) || Files.isDirectory(entry.resolve("META-INF"))) {
      if (!Files.isDirectory(entry)) {
        offersPlugin(entry); // complains where it is no jar
      }
      return List.of(List.of(entry));
    }
    List<List<Path>> plugins = new ArrayList<>();
    List<Path> offering = new ArrayList<>();
    List<Path> libraries = new ArrayList<>();
    for (Path file : sorted(entry)) {
      if (Files.isDirectory(file)) {
        List<Path> jars = sorted(file).stream().filter(PluginLoader::isJar).toList();
        jars.forEach(PluginLoader::offersPlugin);
        if (!jars.isEmpty()) {
          plugins.add(jars);
        }
      } else if (isJar(file)) {
        (offersPlugin(file) ? offering : libraries).add(file);
      }
    }
    for (Path plugin : offering) {
      List<Path> files = new ArrayList<>(List.of(plugin));
      files.addAll(libraries);
      plugins.add(files);
    }
    return plugins;
  }

  private static List<Path> sorted(Path directory) {
    try (Stream<Path> files = Files.list(directory)) {
      return files.sorted().toList();
    } catch (IOException e) {
      throw new EspalierException(
          EspalierException.Code.RESOURCE,
          "The plugins (" + directory + ") cannot be listed: " + e.getMessage() + ".",
          "Maybe check its permissions.",
          e);
    }
  }

  private static boolean isJar(Path file) {
    return file.toString().endsWith(".jar");
  }

  private static boolean offersPlugin(Path file) {
    try (ZipFile jar = new ZipFile(file.toFile())) {
      return jar.stream().anyMatch(entry -> entry.getName().startsWith(OWN_SERVICES));
    } catch (IOException e) {
      throw new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          "The plugin (" + file + ") is not a readable jar: " + e.getMessage() + ".",
          "Maybe copy it again, or remove it.",
          e);
    }
  }

  /**
   * Names of the classes that this plugin itself offers as a service, sorted.
   *
   * @param service the service's interface
   */
  Set<String> offered(Class<?> service) {
    Set<String> names = new TreeSet<>();
    try {
      for (URL file : Collections.list(findResources(SERVICES + service.getName()))) {
        try (BufferedReader lines =
            new BufferedReader(new InputStreamReader(file.openStream(), StandardCharsets.UTF_8))) {
          lines
              .lines()
              .map(line -> line.replaceFirst("#.*", "").strip())
              .filter(line -> !line.isEmpty())
              .forEach(names::add);
        }
      }
      return names;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * A view of all plugins at once, for what any of them may bring: prompt sets and bundles of
   * weights. Where two bring the same name, the first on the path has it.
   *
   * @param parent what all plugins see
   * @param plugins in order
   */
  static ClassLoader union(ClassLoader parent, List<PluginLoader> plugins) {
    return plugins.isEmpty() ? parent : new Union(parent, plugins);
  }

  private static final class Union extends ClassLoader {
    private final List<PluginLoader> plugins;

    Union(ClassLoader parent, List<PluginLoader> plugins) {
      super("plugins", parent);
      this.plugins = plugins;
    }

    @Override
    protected Class<?> findClass(String name) throws ClassNotFoundException {
      for (PluginLoader plugin : plugins) {
        try {
          return plugin.loadClass(name);
        } catch (ClassNotFoundException e) {
          // Maybe another has it.
        }
      }
      throw new ClassNotFoundException(name);
    }

    @Override
    protected @Nullable URL findResource(String name) {
      return plugins.stream()
          .map(plugin -> plugin.findResource(name))
          .filter(Objects::nonNull)
          .findFirst()
          .orElse(null);
    }

    @Override
    protected Enumeration<URL> findResources(String name) throws IOException {
      List<URL> all = new ArrayList<>();
      for (PluginLoader plugin : plugins) {
        all.addAll(Collections.list(plugin.findResources(name)));
      }
      return Collections.enumeration(all);
    }
  }
}
