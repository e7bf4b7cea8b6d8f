package org.espalier.weights;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What one thread reads of checkpoints while it checks or loads something: for the command that
 * tells which files a study needs. Costs nothing where nobody listens.
 */
public final class ReadLog implements AutoCloseable {
  private static final ThreadLocal<@Nullable ReadLog> CURRENT = new ThreadLocal<>();

  private final Map<Path, String> files = new LinkedHashMap<>();
  private final List<Use> uses = new ArrayList<>();

  /**
   * What a network takes of its weights.
   *
   * @param location the file, or the index of shards
   * @param read keys that it reads
   * @param unused keys that it leaves unread, as it may
   * @param parameters elements of what it reads
   * @param fullPrecision those of them that stay float32 whatever it computes in
   */
  public record Use(
      Path location, int read, List<String> unused, long parameters, long fullPrecision) {
    public Use {
      unused = List.copyOf(unused);
    }
  }

  private ReadLog() {}

  /** Begins to listen to this thread; the caller closes it on the same. */
  public static ReadLog start() {
    ReadLog log = new ReadLog();
    CURRENT.set(log);
    return log;
  }

  /**
   * Notes a file.
   *
   * @param file that is read
   * @param kind its layout, for people
   */
  public static void file(Path file, String kind) {
    ReadLog log = CURRENT.get();
    if (log != null) {
      log.files.putIfAbsent(file, kind);
    }
  }

  /**
   * Notes weights that fit a network.
   *
   * @param use what it takes
   */
  public static void use(Use use) {
    ReadLog log = CURRENT.get();
    if (log != null) {
      log.uses.add(use);
    }
  }

  /** Files with their layouts, in the order in which they were read first. */
  public Map<Path, String> files() {
    return new LinkedHashMap<>(files);
  }

  /** What networks take, in the order of their checks. */
  public List<Use> uses() {
    return List.copyOf(uses);
  }

  @Override
  public void close() {
    CURRENT.remove();
  }
}
