package org.espalier.testkit;

import java.time.Duration;
import java.util.function.LongSupplier;

/** A clock that moves only when told to, or by a fixed tick at each reading. */
public final class FakeClock implements LongSupplier {
  private final long tickNanos;
  private long nanos;

  /** A clock that stands still. */
  public FakeClock() {
    this(Duration.ZERO);
  }

  /**
   * @param tick how far it moves at each reading
   */
  public FakeClock(Duration tick) {
    this.tickNanos = tick.toNanos();
  }

  /**
   * Moves it.
   *
   * @param duration by how much
   */
  public void advance(Duration duration) {
    nanos += duration.toNanos();
  }

  @Override
  public long getAsLong() {
    nanos += tickNanos;
    return nanos;
  }
}
