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
 * @param listener receives images as they are verified
 * @param retry what is done about transient failures of verifiers
 * @param watch sees calls of plugins begin and end
 */
public record EngineOptions(
    int batch,
    long maxTrajectories,
    LongSupplier nanoTime,
    SearchListener listener,
    Retry retry,
    CallWatch watch) {
  public EngineOptions {
    if (batch < 1) {
      throw EspalierException.config(
          "The batch size (" + batch + ") must be positive.", "Maybe set batch: 8.");
    }
  }

  /**
   * With the default retry and nobody who watches.
   *
   * @param batch rows handed to a model or verifier at once
   * @param maxTrajectories handles that one search may create
   * @param nanoTime the clock
   * @param listener receives images as they are verified
   */
  public EngineOptions(
      int batch, long maxTrajectories, LongSupplier nanoTime, SearchListener listener) {
    this(batch, maxTrajectories, nanoTime, listener, Retry.defaults(), CallWatch.NONE);
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
    return new EngineOptions(rows, maxTrajectories, nanoTime, listener, retry, watch);
  }

  /**
   * The same with another listener.
   *
   * @param other receives images as they are verified
   */
  public EngineOptions withListener(SearchListener other) {
    return new EngineOptions(batch, maxTrajectories, nanoTime, other, retry, watch);
  }

  /**
   * The same with another clock.
   *
   * @param clock in nanoseconds
   */
  public EngineOptions withClock(LongSupplier clock) {
    return new EngineOptions(batch, maxTrajectories, clock, listener, retry, watch);
  }

  /**
   * The same with another way to treat transient failures.
   *
   * @param other what is done about them
   */
  public EngineOptions withRetry(Retry other) {
    return new EngineOptions(batch, maxTrajectories, nanoTime, listener, other, watch);
  }

  /**
   * The same with somebody who watches.
   *
   * @param other sees calls of plugins begin and end
   */
  public EngineOptions withWatch(CallWatch other) {
    return new EngineOptions(batch, maxTrajectories, nanoTime, listener, retry, other);
  }
}
