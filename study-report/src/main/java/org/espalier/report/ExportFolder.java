package org.espalier.report;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.espalier.api.EspalierException;
import org.espalier.records.WholeFile;

/**
 * A directory that holds one export and nothing else, so that no sample of another one is scored
 * with it. The files of an export are listed in it; a later export removes these and no others.
 */
final class ExportFolder {
  private static final String LIST = ".espalier-export";
  private static final int SHOWN = 3;

  private ExportFolder() {}

  /**
   * Empties a directory of an earlier export, fills it, and lists what was written.
   *
   * @param root the directory
   * @param writer writes into it
   * @throws EspalierException CONFIG if something else is in it
   */
  static Path fill(Path root, Supplier<Path> writer) {
    try {
      clean(root);
      Path written = writer.get();
      Files.createDirectories(root);
      StringBuilder names = new StringBuilder();
      files(root).forEach(file -> names.append(relative(root, file)).append('\n'));
      WholeFile.write(root.resolve(LIST), names.toString().getBytes(StandardCharsets.UTF_8));
      return written;
    } catch (IOException e) {
      throw WholeFile.problem(root, e);
    }
  }

  private static String relative(Path root, Path file) {
    return root.relativize(file).toString().replace('\\', '/');
  }

  private static List<Path> files(Path root) throws IOException {
    List<Path> files = new ArrayList<>();
    Files.walkFileTree(
        root,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
            files.add(file);
            return FileVisitResult.CONTINUE;
          }
        });
    files.sort(null);
    return files;
  }

  private static void clean(Path root) throws IOException {
    if (!Files.isDirectory(root)) {
      return;
    }
    Path list = root.resolve(LIST);
    if (Files.isRegularFile(list, LinkOption.NOFOLLOW_LINKS)) {
      for (String name : Files.readAllLines(list)) {
        Path file = root.resolve(name).normalize();
        if (file.startsWith(root.normalize())
            && Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
          Files.delete(file);
        }
      }
      Files.delete(list);
      removeEmpty(root);
    }
    List<String> left = files(root).stream().map(file -> relative(root, file)).toList();
    if (!left.isEmpty()) {
      throw EspalierException.config(
          "The export's directory (%s) is not empty: it holds %s%s."
              .formatted(
                  root,
                  String.join(", ", left.subList(0, Math.min(SHOWN, left.size()))),
                  left.size() > SHOWN ? " and more" : ""),
          "Maybe choose another --out: a scorer would take what lies there for samples.");
    }
  }

  private static void removeEmpty(Path root) throws IOException {
    List<Path> folders;
    try (Stream<Path> paths = Files.walk(root)) {
      folders = new ArrayList<>(paths.filter(Files::isDirectory).toList());
    }
    // Deepest first.
    for (int i = folders.size() - 1; i > 0; i--) {
      try (Stream<Path> entries = Files.list(folders.get(i))) {
        if (entries.findAny().isPresent()) {
          continue;
        }
      }
      Files.delete(folders.get(i));
    }
  }
}
