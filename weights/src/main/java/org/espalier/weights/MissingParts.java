package org.espalier.weights;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * Looks for the parts of a checkpoint one by one and goes on where one is missing, so that a user
 * hears of all of them at once.
 */
public final class MissingParts {
  private final List<EspalierException> missing = new ArrayList<>();

  /** A part that has been looked for. */
  public static final class Part<T> {
    private final @Nullable T value;

    private Part(@Nullable T value) {
      this.value = value;
    }

    /** What was found; only after {@link #requireNone}. */
    public T get() {
      return Objects.requireNonNull(value, "requireNone comes first");
    }

    /**
     * What was found, or something else where nothing was.
     *
     * @param otherwise stands for what is missing
     */
    public T or(T otherwise) {
      return value == null ? otherwise : value;
    }
  }

  /**
   * Looks for a part.
   *
   * @param search finds it, or throws
   */
  public <T> Part<T> look(Supplier<T> search) {
    try {
      return new Part<>(search.get());
    } catch (EspalierException e) {
      missing.add(e);
      return new Part<>(null);
    }
  }

  /**
   * Requires that all parts were found.
   *
   * @throws EspalierException the one there was, or one that tells of all
   */
  public void requireNone() {
    if (missing.isEmpty()) {
      return;
    }
    if (missing.size() == 1) {
      throw missing.get(0);
    }
    EspalierException all =
        new EspalierException(
            missing.get(0).code(),
            missing.stream().map(MissingParts::what).distinct().collect(Collectors.joining(" ")),
            missing.stream()
                .map(MissingParts::advice)
                .filter(advice -> !advice.isEmpty())
                .distinct()
                .collect(Collectors.joining("\n")));
    missing.forEach(all::addSuppressed);
    throw all;
  }

  private static String what(EspalierException e) {
    String message = String.valueOf(e.getMessage());
    int line = message.indexOf('\n');
    return (line < 0 ? message : message.substring(0, line))
        .substring(("[" + e.code() + "] ").length());
  }

  private static String advice(EspalierException e) {
    String message = String.valueOf(e.getMessage());
    int line = message.indexOf('\n');
    return line < 0 ? "" : message.substring(line + 1);
  }
}
