package org.espalier.spi;

import java.util.concurrent.atomic.AtomicLong;
import org.espalier.api.EspalierException;

/**
 * The native memory that what is loaded together may take: a limit and an account. Plugins that
 * hold native memory note what they take and give back, and keep within the limit where they can by
 * evaluating fewer rows at once and by dropping what can be repeated. Thread-safe. Everything of
 * one study shares one; two studies of one process have one each.
 */
public final class NativeMemory {
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
