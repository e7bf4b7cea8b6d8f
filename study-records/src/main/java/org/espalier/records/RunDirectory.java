package org.espalier.records;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import org.espalier.api.EspalierException;
import org.espalier.plugins.Canonical;
import org.jspecify.annotations.Nullable;

/**
 * Where a run keeps what it made: {@code study.yaml}, {@code run.json}, {@code resolved.json},
 * {@code prompts.jsonl}, {@code plan.json}, {@code environment.json}, {@code records.jsonl}, {@code
 * images/}, {@code trees/}, {@code report/}.
 *
 * @param root the directory
 */
public record RunDirectory(Path root) {

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
    return directory;
  }

  /**
   * Refuses a directory in which a run cannot be made.
   *
   * @param root the directory
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
  }

  /** Keeps other processes from writing to the same run; released by closing it, or by dying. */
  public AutoCloseable lock() {
    Path file = root.resolve("run.lock");
    try {
      FileChannel channel =
          FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
      FileLock lock = null;
      try {
        lock = channel.tryLock();
      } catch (OverlappingFileLockException e) {
        // The same answer as for another process's lock.
      }
      if (lock == null) {
        channel.close();
        throw new EspalierException(
            EspalierException.Code.RESOURCE,
            "The run (" + root + ") is being written by another process.",
            "Maybe wait until it ends.");
      }
      return channel;
    } catch (IOException e) {
      throw resource(file, e);
    }
  }

  /**
   * Writes a file so that it is there whole or not at all.
   *
   * @param file where
   * @param bytes what
   */
  public static void write(Path file, byte[] bytes) {
    Path part = file.resolveSibling(file.getFileName() + ".part");
    try {
      Path parent = file.toAbsolutePath().getParent();
      if (parent != null && !Files.isDirectory(parent)) {
        Files.createDirectories(parent);
      }
      Files.write(part, bytes);
      try {
        Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      } catch (AtomicMoveNotSupportedException e) {
        Files.move(part, file, StandardCopyOption.REPLACE_EXISTING);
      }
    } catch (IOException e) {
      try {
        Files.deleteIfExists(part);
      } catch (IOException suppressed) {
        e.addSuppressed(suppressed);
      }
      throw resource(file, e);
    }
  }

  /**
   * One line of JSON.
   *
   * @param value a record, collection or scalar
   */
  public static String toJson(Object value) {
    try {
      return RecordLog.JSON.writeValueAsString(Canonical.plain(value));
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("plain values are JSON", e);
    }
  }

  /**
   * Writes a JSON file of the run, indented.
   *
   * @param file where
   * @param value a record, collection or scalar
   */
  public static void writeJson(Path file, Object value) {
    try {
      String json =
          RecordLog.JSON
              .writerWithDefaultPrettyPrinter()
              .writeValueAsString(Canonical.plain(value));
      write(file, (json + "\n").getBytes(StandardCharsets.UTF_8));
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("plain values are JSON", e);
    }
  }

  /**
   * Reads a JSON file of the run.
   *
   * @param file which
   */
  public static JsonNode readJson(Path file) {
    try {
      return RecordLog.JSON.readTree(read(file));
    } catch (JsonProcessingException e) {
      throw new EspalierException(
          EspalierException.Code.CONFIG,
          file + ": This is not JSON: " + e.getOriginalMessage() + ".",
          "Maybe the run directory was edited.",
          e);
    }
  }

  /**
   * Reads a JSON Lines file of the run.
   *
   * @param file which
   */
  public static List<JsonNode> readJsonLines(Path file) {
    List<JsonNode> result = new ArrayList<>();
    for (String line : read(file).split("\n", -1)) {
      if (!line.isBlank()) {
        try {
          result.add(RecordLog.JSON.readTree(line));
        } catch (JsonProcessingException e) {
          throw new EspalierException(
              EspalierException.Code.CONFIG,
              file + ":" + (result.size() + 1) + ":1: This is not JSON.",
              "Maybe the run directory was edited.",
              e);
        }
      }
    }
    return result;
  }

  /**
   * Reads a text.
   *
   * @param file which
   */
  public static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw resource(file, e);
    }
  }

  /**
   * The complaint about a file that cannot be read or written.
   *
   * @param file which
   * @param e what happened
   */
  public static EspalierException resource(Path file, @Nullable IOException e) {
    return new EspalierException(
        EspalierException.Code.RESOURCE,
        "The file (%s) cannot be read or written: %s."
            .formatted(file, e == null ? "" : e.getClass().getSimpleName() + " " + e.getMessage()),
        "Maybe free disk space or check permissions; finished records stay readable.",
        e);
  }
}
