package org.espalier.shapes;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.espalier.weights.Sha256;

/**
 * Sizes and hashes of all weights files, by which unpacked copies are verified. The build writes it
 * beside them; each line reads {@code SHA256 SIZE PATH}.
 */
public final class WeightsIndex {
  static final String FILE = "index.txt";

  /**
   * A weights file.
   *
   * @param path relative to the directory of all weights, with slashes
   * @param size in bytes
   * @param sha256 in lower-case hex
   */
  record Entry(String path, long size, String sha256) {
    static Entry of(Path root, Path file) {
      try {
        return new Entry(
            root.relativize(file).toString().replace('\\', '/'),
            Files.size(file),
            Sha256.of(List.of(file)));
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    /** Whether a file has this size and hash. */
    boolean matches(Path file) throws IOException {
      return Files.isRegularFile(file)
          && Files.size(file) == size
          && Sha256.of(List.of(file)).equals(sha256);
    }
  }

  private final List<Entry> entries;
  private final String sha256;

  private WeightsIndex(List<Entry> entries) {
    this.entries = List.copyOf(entries);
    this.sha256 = Sha256.of(text(entries));
  }

  /** The files of one directory. */
  List<Entry> entries(String directory) {
    return entries.stream().filter(e -> e.path().startsWith(directory + "/")).toList();
  }

  /** Hash of the index itself, hence of all weights. */
  String sha256() {
    return sha256;
  }

  /** Reads an index. */
  static WeightsIndex read(InputStream in) throws IOException {
    List<Entry> entries = new ArrayList<>();
    BufferedReader reader = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
    for (String line = reader.readLine(); line != null; line = reader.readLine()) {
      String[] fields = line.split(" ", 3);
      if (fields.length != 3) {
        throw new IOException("the line \"" + line + "\" of " + FILE + " is malformed");
      }
      entries.add(new Entry(fields[2], Long.parseLong(fields[1]), fields[0]));
    }
    return new WeightsIndex(entries);
  }

  /** Indexes the files below a directory. */
  static WeightsIndex of(Path root) throws IOException {
    try (Stream<Path> files = Files.walk(root)) {
      return new WeightsIndex(
          files
              .filter(Files::isRegularFile)
              .filter(file -> !file.equals(root.resolve(FILE)))
              .sorted()
              .map(file -> Entry.of(root, file))
              .toList());
    }
  }

  private static String text(List<Entry> entries) {
    StringBuilder text = new StringBuilder();
    for (Entry entry : entries) {
      text.append(entry.sha256()).append(' ').append(entry.size()).append(' ');
      text.append(entry.path()).append('\n');
    }
    return text.toString();
  }

  /**
   * Writes the index; part of the build.
   *
   * @param arguments the directory of all weights
   * @throws IOException where a file cannot be read or written
   */
  public static void main(String[] arguments) throws IOException {
    Path root = Path.of(arguments[0]);
    if (Files.isDirectory(root)) {
      Files.writeString(root.resolve(FILE), text(of(root).entries));
    }
  }
}
