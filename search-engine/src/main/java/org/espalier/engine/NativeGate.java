package org.espalier.engine;

import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.espalier.api.EspalierException;
import org.espalier.compute.Cost;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.Verifier;
import org.espalier.spi.WorkCounters;

/**
 * Makes native calls one at a time per model, takes their wall time, and reads the counters around
 * them, so that charges are what really went through the network.
 */
final class NativeGate {
  private final LongSupplier nanoTime;
  private long nativeNanos;
  private Cost replayed = Cost.ZERO;

  NativeGate(LongSupplier nanoTime) {
    this.nanoTime = nanoTime;
  }

  /** Wall time spent in native calls and in waiting for the model, in nanoseconds. */
  long nativeNanos() {
    return nativeNanos;
  }

  /** Work that models repeated in these calls because they had dropped its results. */
  Cost replayed() {
    return replayed;
  }

  /** A result and what it took. */
  record Measured<T>(T result, WorkCounters work, long nanos) {
    /** The cost of generator work, with the published convention's count from the quote. */
    Cost generated(long nfe) {
      return new Cost(nfe, work.rows(), work.tokens(), work.flops(), 0, 0, 0, nanos);
    }
  }

  <T> Measured<T> call(GenerativeModel model, Supplier<T> body) {
    long entered = nanoTime.getAsLong();
    synchronized (model) {
      WorkCounters before = model.counters();
      Cost replaysBefore = model.replayed();
      long start = nanoTime.getAsLong();
      T result = guard(model.card().id(), body);
      long end = nanoTime.getAsLong();
      nativeNanos += end - entered;
      replayed = replayed.plus(model.replayed().minus(replaysBefore));
      return new Measured<>(result, model.counters().since(before), end - start);
    }
  }

  <T> Measured<T> call(Verifier verifier, Supplier<T> body) {
    long entered = nanoTime.getAsLong();
    synchronized (verifier) {
      WorkCounters before = verifier.counters();
      long start = nanoTime.getAsLong();
      T result = guard(verifier.card().id(), body);
      long end = nanoTime.getAsLong();
      nativeNanos += end - entered;
      return new Measured<>(result, verifier.counters().since(before), end - start);
    }
  }

  private static <T> T guard(String id, Supplier<T> body) {
    try {
      return body.get();
    } catch (EspalierException e) {
      throw e;
    } catch (RuntimeException e) {
      throw new EspalierException(
          EspalierException.Code.NATIVE,
          "A call of the plugin (" + id + ") failed: " + e.getMessage(),
          null,
          e);
    }
  }
}
