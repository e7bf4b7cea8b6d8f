package org.espalier.weights;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import java.util.Set;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * The directory of this user in which weights and native libraries are unpacked. What lies in it is
 * loaded into the process, so it must belong to the user and nobody else may write to it.
 *
 * <p>The first of these that is an absolute path: {@code $ESPALIER_CACHE}, {@code
 * $XDG_CACHE_HOME/espalier}, {@code $HOME/.cache/espalier}, and {@code .cache/espalier} in the home
 * directory that the system knows. Never is the current directory used.
 */
public final class CacheDirectory {
  /** The environment variable that names the directory. */
  public static final String VARIABLE = "ESPALIER_CACHE";

  private static final Set<PosixFilePermission> OTHERS_WRITE =
      Set.of(PosixFilePermission.GROUP_WRITE, PosixFilePermission.OTHERS_WRITE);

  private static final int OTHERS_WRITE_BIT = 0002;
  private static final int STICKY_BIT = 01000;

  private CacheDirectory() {}

  /**
   * The directory, made where it does not exist.
   *
   * @throws EspalierException RESOURCE where there is no home directory, or where others could
   *     change what it holds
   */
  public static Path get() {
    return checked(place(System.getenv(), System.getProperty("user.home")));
  }

  /**
   * Where it is, by environment and home directory.
   *
   * @param environment variables
   * @param home as the system knows it; may be none
   */
  static Path place(Map<String, String> environment, @Nullable String home) {
    String own = environment.get(VARIABLE);
    if (own != null && !own.isBlank()) {
      Path path = absolute(own);
      if (path == null) {
        throw new EspalierException(
            EspalierException.Code.RESOURCE,
            "The cache directory (" + VARIABLE + "=" + own + ") is not an absolute path.",
            "Maybe set " + VARIABLE + " to a path that starts with /.");
      }
      return path;
    }
    Path shared = absolute(environment.get("XDG_CACHE_HOME"));
    if (shared != null) {
      return shared.resolve("espalier");
    }
    for (String candidate : new String[] {environment.get("HOME"), home}) {
      Path path = absolute(candidate);
      if (path != null) {
        return path.resolve(".cache").resolve("espalier");
      }
    }
    throw new EspalierException(
        EspalierException.Code.RESOURCE,
        "There is no home directory (" + home + ") in which weights and libraries can be unpacked.",
        "Maybe set " + VARIABLE + " to a directory of your own.");
  }

  private static @Nullable Path absolute(@Nullable String text) {
    if (text == null || text.isBlank()) {
      return null;
    }
    try {
      Path path = Path.of(text);
      return path.isAbsolute() ? path : null;
    } catch (InvalidPathException e) {
      return null;
    }
  }

  /**
   * Makes a directory for this user alone, or checks that one is.
   *
   * @param directory an absolute path
   * @return the same, with links resolved
   */
  static Path checked(Path directory) {
    try {
      create(directory);
      Path real = directory.toRealPath();
      if (!real.getFileSystem().supportedFileAttributeViews().contains("unix")) {
        return real; // a system without owners and modes in this form
      }
      Object owner = Files.getAttribute(real, "unix:uid");
      Object self = self();
      if (!owner.equals(self)) {
        throw unsafe(real, "belongs to another user (" + owner + ", not " + self + ")", "");
      }
      Set<PosixFilePermission> mode = Files.getPosixFilePermissions(real);
      if (mode.stream().anyMatch(OTHERS_WRITE::contains)) {
        throw unsafe(
            real,
            "can be written by others (" + PosixFilePermissions.toString(mode) + ")",
            ", or run: chmod go-w " + real);
      }
      for (Path above = real.getParent(); above != null; above = above.getParent()) {
        int bits = (Integer) Files.getAttribute(above, "unix:mode");
        if ((bits & OTHERS_WRITE_BIT) != 0 && (bits & STICKY_BIT) == 0) {
          throw unsafe(real, "lies in " + above + ", in which everybody can replace it", "");
        }
      }
      return real;
    } catch (IOException e) {
      throw new EspalierException(
          EspalierException.Code.RESOURCE,
          "The cache directory " + directory + " cannot be used: " + reason(e) + ".",
          "Maybe free some disk space, or set " + VARIABLE + " to a directory that can be written.",
          e);
    }
  }

  private static void create(Path directory) throws IOException {
    if (Files.isDirectory(directory)) {
      return;
    }
    Path parent = directory.getParent();
    if (parent != null) {
      Files.createDirectories(parent);
    }
    try {
      if (directory.getFileSystem().supportedFileAttributeViews().contains("posix")) {
        Files.createDirectory(
            directory,
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
      } else {
        Files.createDirectory(directory);
      }
    } catch (FileAlreadyExistsException e) {
      if (!Files.isDirectory(directory)) {
        throw e;
      }
    }
  }

  /** The number of this process's user. */
  private static Object self() throws IOException {
    Path process = Path.of("/proc/self");
    if (Files.exists(process)) {
      return Files.getAttribute(process, "unix:uid");
    }
    Path mine = Files.createTempFile("espalier", null);
    try {
      return Files.getAttribute(mine, "unix:uid");
    } finally {
      Files.delete(mine);
    }
  }

  private static EspalierException unsafe(Path directory, String why, String mend) {
    return new EspalierException(
        EspalierException.Code.RESOURCE,
        "The cache directory " + directory + " " + why + ": nothing is loaded from it.",
        "Maybe set " + VARIABLE + " to a directory of your own" + mend + ".");
  }

  private static String reason(IOException e) {
    return e instanceof FileSystemException system && system.getReason() != null
        ? system.getReason()
        : e.toString();
  }
}
