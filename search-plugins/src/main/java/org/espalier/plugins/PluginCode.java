package org.espalier.plugins;

import java.io.File;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.CodeSource;
import java.util.Enumeration;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import org.espalier.api.EspalierException;

/**
 * Fingerprints of the code that a plugin was loaded from: its jar, or its directory of classes. A
 * plugin that was changed and built again must not pass for the one that made the finished cells.
 */
public final class PluginCode {
  private static final Map<Path, String> KNOWN = new ConcurrentHashMap<>();

  private PluginCode() {}

  /**
   * SHA-256 over the names and checksums of all files that were loaded together with a class, those
   * of the libraries that its plugin brings too; {@code none} where it is unknown, as for a class
   * made in memory. Metadata of the build, under {@code META-INF}, is left out, so that building
   * the same sources again changes nothing.
   *
   * @param type a class of the plugin
   */
  public static String fingerprint(Class<?> type) {
    if (type.getClassLoader() instanceof PluginLoader plugin && plugin.files().size() > 1) {
      return Canonical.sha256(
          plugin.files().stream()
              .map(file -> KNOWN.computeIfAbsent(file, PluginCode::read))
              .toList());
    }
    CodeSource source = type.getProtectionDomain().getCodeSource();
    if (source == null || source.getLocation() == null) {
      return "none";
    }
    try {
      return KNOWN.computeIfAbsent(Path.of(source.getLocation().toURI()), PluginCode::read);
    } catch (URISyntaxException | IllegalArgumentException e) {
      return "none";
    }
  }

  static String read(Path root) {
    Map<String, Object> files = new TreeMap<>();
    try {
      if (Files.isDirectory(root)) {
        addFolder(root, files);
      } else {
        addJar(root, files);
      }
    } catch (IOException e) {
      throw new EspalierException(
          EspalierException.Code.RESOURCE,
          "The plugin's code (%s) cannot be read: %s %s."
              .formatted(root, e.getClass().getSimpleName(), e.getMessage()),
          "Maybe check that the file is whole and may be read.",
          e);
    }
    files.keySet().removeIf(name -> name.startsWith("META-INF/"));
    return Canonical.sha256(files);
  }

  /** The jar's directory holds the sizes and checksums of its files: nothing is unpacked. */
  private static void addJar(Path root, Map<String, Object> files) throws IOException {
    try (ZipFile jar = new ZipFile(root.toFile())) {
      Enumeration<? extends ZipEntry> entries = jar.entries();
      while (entries.hasMoreElements()) {
        ZipEntry entry = entries.nextElement();
        if (!entry.isDirectory()) {
          files.put(entry.getName(), entry.getSize() + "/" + entry.getCrc());
        }
      }
    }
  }

  private static void addFolder(Path root, Map<String, Object> files) throws IOException {
    try (Stream<Path> paths = Files.walk(root)) {
      for (Path path : (Iterable<Path>) paths.filter(Files::isRegularFile)::iterator) {
        CRC32C checksum = new CRC32C();
        byte[] bytes = Files.readAllBytes(path);
        checksum.update(bytes);
        String name = root.relativize(path).toString().replace(File.separatorChar, '/');
        files.put(name, bytes.length + "/" + checksum.getValue());
      }
    }
  }
}
