package org.espalier.engine;

import java.util.function.LongSupplier;
import org.espalier.api.EspalierException;

/**
 * How a search is run. Nothing here may change its result.
 *
 * @param batch rows handed to a model or verifier at once, positive
 * @param maxTrajectories handles that one search may create: a stop for strategies that loop over
 *     free verbs
 * @param nanoTime the clock, in nanoseconds; tests pass their own
 * @param listener told of images as they are verified
 */
public record EngineOptions(
    int batch, long maxTrajectories, LongSupplier nanoTime, SearchListener listener) {
  public EngineOptions {
    if (batch < 1) {
      throw EspalierException.config(
          "The batch size (" + batch + ") must be positive.", "Maybe set batch: 8.");
    }
  }

  /** Batches of 8, the system clock, no listener. */
  public static EngineOptions defaults() {
    return new EngineOptions(8, 1_000_000, System::nanoTime, SearchListener.NONE);
  }

  /**
   * The same with another batch size.
   *
   * @param rows rows handed to a model at once
   */
  public EngineOptions withBatch(int rows) {
    return new EngineOptions(rows, maxTrajectories, nanoTime, listener);
  }

  /**
   * The same with another listener.
   *
   * @param other told of images as they are verified
   */
  public EngineOptions withListener(SearchListener other) {
    return new EngineOptions(batch, maxTrajectories, nanoTime, other);
  }

  /**
   * The same with another clock.
   *
   * @param clock in nanoseconds
   */
  public EngineOptions withClock(LongSupplier clock) {
    return new EngineOptions(batch, maxTrajectories, clock, listener);
  }
}
