package org.espalier.records;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.espalier.api.EspalierException;
import org.espalier.plugins.Canonical;

/**
 * Where a run keeps what it made: {@code study.yaml}, {@code run.json}, {@code resolved.json},
 * {@code prompts.jsonl}, {@code plan.json}, {@code environment.json}, {@code records.jsonl}, {@code
 * images/}, {@code trees/}, {@code report/}.
 *
 * @param root the directory
 */
public record RunDirectory(Path root) {
  private static final String LOCK = "run.lock";
  private static final int ENTRIES_SHOWN = 3;

  /** A name that means the same on every system. */
  private static final Pattern PLAIN_NAME = Pattern.compile("[A-Za-z0-9._-]+");

  /** The records. */
  public Path records() {
    return root.resolve("records.jsonl");
  }

  /** The report. */
  public Path report() {
    return root.resolve("report").resolve("index.html");
  }

  /** The resolved configuration. */
  public Path resolved() {
    return root.resolve("resolved.json");
  }

  /** Cards, costs and levels of the plan. */
  public Path plan() {
    return root.resolve("plan.json");
  }

  /** Where and with what the run was made. */
  public Path environment() {
    return root.resolve("environment.json");
  }

  /** The study as it was started. */
  public Path run() {
    return root.resolve("run.json");
  }

  /** The prompts, with their metadata. */
  public Path prompts() {
    return root.resolve("prompts.jsonl");
  }

  /**
   * Opens an existing run.
   *
   * @param root its directory
   */
  public static RunDirectory open(Path root) {
    RunDirectory directory = new RunDirectory(root);
    if (!Files.isRegularFile(directory.run())) {
      throw EspalierException.config(
          "The directory (" + root + ") is not a run: it has no run.json.",
          "Maybe name the directory that `espalier run` printed.");
    }
    if (!RunFiles.json(directory.run()).isObject()) {
      throw EspalierException.config(
          directory.run() + ": This is not a run: it is empty or not a JSON object.",
          "Maybe the run directory was edited: restore the file.");
    }
    return directory;
  }

  /**
   * A file of the run that a record, a tree or a plan names. Runs are handed on, and what they say
   * is not trusted: a name that leads out of the directory, by itself or through a link, is
   * refused.
   *
   * @param name relative, with slashes, for example {@code images/00000-1.png}
   * @return its path, whether or not it exists
   * @throws EspalierException CONFIG if it is absolute, has other parts than plain names, or passes
   *     through a symbolic link
   */
  public Path file(String name) {
    Path at = root;
    for (String part : name.split("/", -1)) {
      if (!PLAIN_NAME.matcher(part).matches() || part.equals(".") || part.equals("..")) {
        throw foreign(name);
      }
      at = at.resolve(part);
      if (Files.isSymbolicLink(at)) {
        throw foreign(name);
      }
    }
    return at;
  }

  /**
   * Reads the image of an answer and checks that it is the one that was made.
   *
   * @param name its file, as a record names it
   * @param sha256 of the file, as the record has it
   * @throws EspalierException CONFIG if its hash differs, or its name leads out of the run;
   *     RESOURCE if it cannot be read
   */
  public byte[] answer(String name, String sha256) {
    Path file = file(name);
    byte[] bytes;
    try {
      bytes = Files.readAllBytes(file);
    } catch (IOException e) {
      throw new EspalierException(
          EspalierException.Code.RESOURCE,
          "The image (" + file + ") cannot be copied: " + e.getMessage() + ".",
          "Maybe use `espalier resume` to make lost images again.",
          e);
    }
    if (!Canonical.sha256(bytes).equals(sha256)) {
      throw EspalierException.config(
          "The image (" + file + ") is not the one that was made: its hash differs.",
          "Maybe use `espalier resume` to make damaged images again.");
    }
    return bytes;
  }

  private EspalierException foreign(String name) {
    return EspalierException.config(
        "The run (%s) names a file (%s) that is not one of its own."
            .formatted(root, name.replaceAll("\\p{Cntrl}", "\uFFFD")),
        "Maybe the run directory was edited: restore it, or run the study again.");
  }

  /**
   * The directory of a new run, empty but for the lock that its maker holds.
   *
   * @param directory where results go
   * @param lock held until closed
   */
  public record Claim(RunDirectory directory, AutoCloseable lock) {}

  /**
   * Makes the directory of a new run, for this process alone.
   *
   * @param root the directory; must be empty or absent
   * @throws EspalierException CONFIG if something is in it; RESOURCE if it cannot be made or
   *     another process makes a run there
   */
  public static Claim claim(Path root) {
    requireUsable(root);
    try {
      Files.createDirectories(root);
    } catch (IOException e) {
      throw WholeFile.problem(root, e);
    }
    return claimed(root);
  }

  /**
   * Makes the directory of a new run under a name that no other has: {@code name}, {@code name-2}
   * and so on.
   *
   * @param parent where; made if absent
   * @param name the first name to try
   */
  public static Claim claimFresh(Path parent, String name) {
    try {
      Files.createDirectories(parent);
      Path root = parent.resolve(name);
      for (int i = 2; ; i++) {
        try {
          return claimed(Files.createDirectory(root));
        } catch (FileAlreadyExistsException e) {
          root = parent.resolve(name + "-" + i);
        }
      }
    } catch (IOException e) {
      throw WholeFile.problem(parent, e);
    }
  }

  private static Claim claimed(Path root) {
    RunDirectory directory = new RunDirectory(root);
    AutoCloseable lock = directory.lock(StandardOpenOption.CREATE_NEW);
    try {
      // Again, now that nobody else can make a run here.
      requireEmpty(root);
      return new Claim(directory, lock);
    } catch (EspalierException e) {
      try (AutoCloseable released = lock) {
        Files.delete(directory.lockFile());
      } catch (Exception suppressed) {
        e.addSuppressed(suppressed);
      }
      throw e;
    }
  }

  /**
   * Refuses a directory in which a run cannot be made.
   *
   * @param root the directory; must be empty or absent
   */
  public static void requireUsable(Path root) {
    if (Files.exists(root.resolve("run.json"))) {
      throw EspalierException.config(
          "The directory (" + root + ") already holds a run.",
          "Maybe use `espalier resume " + root + "`, or another --out.");
    }
    if (Files.exists(root) && !Files.isDirectory(root)) {
      throw EspalierException.config(
          "The output (" + root + ") is a file.", "Maybe choose another --out.");
    }
    Path at = root.toAbsolutePath();
    while (at != null && !Files.exists(at)) {
      at = at.getParent();
    }
    if (at == null || !Files.isDirectory(at) || !Files.isWritable(at)) {
      throw EspalierException.config(
          "The output directory (" + root + ") cannot be written: " + at + " is not writable.",
          "Maybe choose another --out.");
    }
    if (Files.isDirectory(root)) {
      requireEmpty(root);
    }
  }

  private static void requireEmpty(Path root) {
    List<String> entries;
    try (Stream<Path> files = Files.list(root)) {
      entries =
          files
              .map(file -> String.valueOf(file.getFileName()))
              .filter(name -> !name.equals(LOCK))
              .sorted()
              .limit(ENTRIES_SHOWN + 1L)
              .toList();
    } catch (IOException e) {
      throw WholeFile.problem(root, e);
    }
    if (!entries.isEmpty()) {
      throw EspalierException.config(
          "The output directory (%s) is not empty: it holds %s%s."
              .formatted(
                  root,
                  String.join(", ", entries.subList(0, Math.min(ENTRIES_SHOWN, entries.size()))),
                  entries.size() > ENTRIES_SHOWN ? " and more" : ""),
          "Maybe choose another --out: a run has its directory to itself.");
    }
  }

  /** Keeps other processes from writing to the same run; released by closing it, or by dying. */
  public AutoCloseable lock() {
    return lock(StandardOpenOption.CREATE);
  }

  private Path lockFile() {
    return root.resolve(LOCK);
  }

  private AutoCloseable lock(OpenOption creation) {
    Path file = lockFile();
    try {
      FileChannel channel =
          FileChannel.open(
              file, Set.of(creation, StandardOpenOption.WRITE, LinkOption.NOFOLLOW_LINKS));
      FileLock lock = null;
      try {
        lock = channel.tryLock();
      } catch (OverlappingFileLockException e) {
        // The same answer as for another process's lock.
      }
      if (lock == null) {
        channel.close();
        throw busy();
      }
      return channel;
    } catch (FileAlreadyExistsException e) {
      throw busy();
    } catch (IOException e) {
      throw WholeFile.problem(file, e);
    }
  }

  private EspalierException busy() {
    return new EspalierException(
        EspalierException.Code.RESOURCE,
        "The run (" + root + ") is being written by another process.",
        "Maybe wait until it ends.");
  }
}
