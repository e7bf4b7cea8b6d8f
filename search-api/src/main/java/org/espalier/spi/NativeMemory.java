package org.espalier.spi;

import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.espalier.api.EspalierException;

/**
 * The native memory that what is loaded together may take: a limit and an account. Plugins that
 * hold native memory note what they take and give back, and keep within the limit where they can by
 * evaluating fewer rows at once and by dropping what can be repeated. Thread-safe. Everything of
 * one study shares one; two studies of one process have one each.
 */
public final class NativeMemory {
  private static final Pattern SIZE = Pattern.compile("(\\d{1,9})\\s*(KiB|MiB|GiB)?");

  private final long limit;
  private final AtomicLong used = new AtomicLong();

  private NativeMemory(long limit) {
    this.limit = limit;
  }

  /** An account without a limit but the device's. */
  public static NativeMemory unlimited() {
    return new NativeMemory(0);
  }

  /**
   * An account with a limit.
   *
   * @param bytes that may be taken together, positive
   */
  public static NativeMemory of(long bytes) {
    if (bytes < 1) {
      throw EspalierException.config(
          "The memory (" + bytes + " bytes) must be positive.", "Maybe set 60GiB or 800MiB.");
    }
    return new NativeMemory(bytes);
  }

  /**
   * An account with a limit.
   *
   * @param size such as {@code 60GiB}, {@code 800MiB} or plain bytes
   * @throws EspalierException CONFIG where it is not a size
   */
  public static NativeMemory of(String size) {
    Matcher matcher = SIZE.matcher(size.strip());
    if (!matcher.matches()) {
      throw EspalierException.config(
          "The memory (" + size + ") is not a valid size.", "Maybe set memory to 60GiB or 800MiB.");
    }
    long unit =
        switch (String.valueOf(matcher.group(2))) {
          case "KiB" -> 1L << 10;
          case "MiB" -> 1L << 20;
          case "GiB" -> 1L << 30;
          default -> 1;
        };
    return of(Long.parseLong(matcher.group(1)) * unit);
  }

  /** The bytes that may be taken together, or 0 where there is no limit. */
  public long limit() {
    return limit;
  }

  /** The bytes that are taken now. */
  public long used() {
    return used.get();
  }

  /**
   * Notes memory that was taken.
   *
   * @param bytes how much; negative where it was given back
   */
  public void add(long bytes) {
    used.addAndGet(bytes);
  }

  @Override
  public String toString() {
    return used.get() + " bytes of " + (limit == 0 ? "any" : limit);
  }
}
