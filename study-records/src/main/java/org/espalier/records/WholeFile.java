package org.espalier.records;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Set;
import java.util.UUID;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * The one way in which results become files: whole or not at all, through a fresh name beside the
 * file, without following or replacing what somebody else has put there.
 */
public final class WholeFile {
  private WholeFile() {}

  /**
   * Writes a file; missing directories are made. A regular file is replaced at once. What exists
   * and is not a regular file, such as a device or a pipe, is written through.
   *
   * @param file where
   * @param bytes what
   * @throws EspalierException CONFIG if it is a directory or a symbolic link to a file; RESOURCE if
   *     it cannot be written, in which case the former content stays
   */
  public static void write(Path file, byte[] bytes) {
    try {
      if (Files.exists(file, LinkOption.NOFOLLOW_LINKS)
          && !Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
        writeThrough(file, bytes);
      } else {
        replace(file, bytes);
      }
    } catch (IOException e) {
      throw problem(file, e);
    }
  }

  private static void writeThrough(Path file, byte[] bytes) throws IOException {
    if (Files.isDirectory(file)) {
      throw EspalierException.config(
          "The output (" + file + ") is a directory.", "Maybe name a file in it.");
    }
    // /dev/stdout is a link, too, but to something that cannot be replaced by accident.
    if (Files.isSymbolicLink(file) && (!Files.exists(file) || Files.isRegularFile(file))) {
      throw EspalierException.config(
          "The output (" + file + ") is a symbolic link.",
          "Maybe name the file that it points to.");
    }
    Files.write(file, bytes, StandardOpenOption.WRITE);
  }

  private static void replace(Path file, byte[] bytes) throws IOException {
    Path parent = file.toAbsolutePath().getParent();
    if (parent != null && !Files.isDirectory(parent)) {
      Files.createDirectories(parent);
    }
    Path fresh = null;
    try {
      while (fresh == null) {
        fresh = create(file.resolveSibling(".espalier-" + UUID.randomUUID() + ".part"), bytes);
      }
      try {
        Files.move(
            fresh, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      } catch (AtomicMoveNotSupportedException e) {
        Files.move(fresh, file, StandardCopyOption.REPLACE_EXISTING);
      }
    } catch (IOException e) {
      if (fresh != null) {
        delete(fresh, e);
      }
      throw e;
    }
  }

  /** Null if the name is taken: what is there is not ours. */
  private static @Nullable Path create(Path fresh, byte[] bytes) throws IOException {
    SeekableByteChannel opened;
    try {
      opened =
          Files.newByteChannel(
              fresh,
              Set.of(
                  StandardOpenOption.CREATE_NEW,
                  StandardOpenOption.WRITE,
                  LinkOption.NOFOLLOW_LINKS));
    } catch (FileAlreadyExistsException e) {
      return null;
    }
    try (SeekableByteChannel channel = opened) {
      ByteBuffer buffer = ByteBuffer.wrap(bytes);
      while (buffer.hasRemaining()) {
        channel.write(buffer);
      }
      return fresh;
    } catch (IOException e) {
      delete(fresh, e);
      throw e;
    }
  }

  private static void delete(Path fresh, IOException cause) {
    try {
      Files.deleteIfExists(fresh);
    } catch (IOException suppressed) {
      cause.addSuppressed(suppressed);
    }
  }

  /**
   * The complaint about a file that cannot be read or written.
   *
   * @param file which
   * @param e what happened
   */
  public static EspalierException problem(Path file, @Nullable IOException e) {
    return new EspalierException(
        EspalierException.Code.RESOURCE,
        "The file (%s) cannot be read or written: %s."
            .formatted(file, e == null ? "" : e.getClass().getSimpleName() + " " + e.getMessage()),
        "Maybe free disk space or check permissions; finished records stay readable.",
        e);
  }
}
