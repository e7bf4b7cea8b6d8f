package org.espalier.spi;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/** Closes several things, each once, whatever the others throw. */
public final class Closing {
  private Closing() {}

  /**
   * Closes all, the last one first. The first failure is thrown, the others are suppressed in it.
   *
   * @param parts what to close, in the order in which it was made
   * @throws EspalierException NATIVE, if closing threw anything but a runtime exception or an error
   */
  public static void all(Collection<? extends AutoCloseable> parts) {
    Throwable failure = close(parts, null);
    if (failure instanceof RuntimeException e) {
      throw e;
    }
    if (failure instanceof Error e) {
      throw e;
    }
    if (failure != null) {
      throw new EspalierException(
          EspalierException.Code.NATIVE,
          "Something cannot be closed: " + failure.getMessage() + ".",
          null,
          failure);
    }
  }

  /**
   * Closes all, the last one first, because of a failure: whatever closing throws is suppressed in
   * it.
   *
   * @param parts what to close, in the order in which it was made
   * @param failure why
   */
  public static void after(Collection<? extends AutoCloseable> parts, Throwable failure) {
    close(parts, failure);
  }

  private static @Nullable Throwable close(
      Collection<? extends AutoCloseable> parts, @Nullable Throwable failure) {
    List<AutoCloseable> open = new ArrayList<>(parts);
    Throwable first = failure;
    for (int i = open.size() - 1; i >= 0; i--) {
      try {
        open.get(i).close();
      } catch (Throwable e) {
        if (first == null) {
          first = e;
        } else if (first != e) {
          first.addSuppressed(e);
        }
      }
    }
    return first;
  }
}
