package org.espalier.engine;

import java.util.concurrent.Semaphore;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.espalier.api.BudgetExhaustedException;
import org.espalier.api.EspalierException;
import org.espalier.compute.Cost;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.TransientFailure;
import org.espalier.spi.Verifier;
import org.espalier.spi.WorkCounters;

/**
 * Calls plugins: as many threads at once as each allows, measured by its counters, with whatever it
 * throws made an error of ours. What is charged is what really went through the network.
 */
final class NativeGate {
  private final LongSupplier nanoTime;
  private final Retry retry;
  private final CallWatch watch;
  private long nativeNanos;
  private long waitNanos;
  private Cost replayed = Cost.ZERO;

  NativeGate(EngineOptions options) {
    this.nanoTime = options.nanoTime();
    this.retry = options.retry();
    this.watch = options.watch();
  }

  /** Wall time spent in native calls, in nanoseconds. */
  long nativeNanos() {
    return nativeNanos;
  }

  /** Wall time spent waiting for other searches and for services to recover, in nanoseconds. */
  long waitNanos() {
    return waitNanos;
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

  <T> Measured<T> call(GenerativeModel model, String call, Supplier<T> body) {
    String id = id(model);
    return exclusively(
        model,
        1,
        () -> {
          WorkCounters before = guard(id, "counters", model::counters);
          Cost replaysBefore = guard(id, "replayed", model::replayed);
          long start = nanoTime.getAsLong();
          T result = watched(id, call, body);
          long nanos = nanoTime.getAsLong() - start;
          nativeNanos += nanos;
          replayed =
              replayed.plus(guard(id, "replayed", () -> model.replayed().minus(replaysBefore)));
          return new Measured<>(
              result, work(id, before, guard(id, "counters", model::counters)), nanos);
        });
  }

  <T> Measured<T> call(Verifier verifier, Supplier<T> body) {
    String id = id(verifier);
    int atOnce = guard(id, "card", () -> verifier.card().concurrency());
    for (int failed = 1; ; failed++) {
      try {
        return exclusively(verifier, atOnce, () -> measured(verifier, id, atOnce, body));
      } catch (TransientFailure e) {
        long start = nanoTime.getAsLong();
        retry.pause(failed, e);
        waitNanos += nanoTime.getAsLong() - start;
      }
    }
  }

  private <T> Measured<T> measured(Verifier verifier, String id, int atOnce, Supplier<T> body) {
    WorkCounters before = guard(id, "counters", verifier::counters);
    long start = nanoTime.getAsLong();
    T result = watched(id, "verify", body);
    long nanos = nanoTime.getAsLong() - start;
    nativeNanos += nanos;
    // Where calls run side by side the counters are of all of them together.
    WorkCounters work =
        atOnce > 1
            ? WorkCounters.ZERO
            : work(id, before, guard(id, "counters", verifier::counters));
    return new Measured<>(result, work, nanos);
  }

  private static WorkCounters work(String id, WorkCounters before, WorkCounters after) {
    WorkCounters work = after.since(before);
    if (work.rows() < 0 || work.tokens() < 0 || work.flops() < 0 || work.images() < 0) {
      throw new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          "The counters of the plugin (%s) ran backwards, from %s to %s."
              .formatted(id, before, after),
          "Maybe count up from the moment of loading, and never reset.");
    }
    return work;
  }

  private <T> T exclusively(Object plugin, int atOnce, Supplier<T> body) {
    long entered = nanoTime.getAsLong();
    Semaphore lock = PluginLocks.of(plugin, atOnce);
    lock.acquireUninterruptibly();
    try {
      waitNanos += nanoTime.getAsLong() - entered;
      return body.get();
    } finally {
      lock.release();
    }
  }

  private <T> T watched(String id, String call, Supplier<T> body) {
    watch.started(id, call);
    try {
      return guard(id, call, body);
    } finally {
      watch.ended();
    }
  }

  static String id(GenerativeModel model) {
    return guard(model.getClass().getName(), "card", () -> model.card().id());
  }

  static String id(Verifier verifier) {
    return guard(verifier.getClass().getName(), "card", () -> verifier.card().id());
  }

  /**
   * The result of a plugin's call. Whatever it throws, checked exceptions and errors too, costs
   * this search and no other; a thread that it left interrupted is not.
   */
  static <T> T guard(String id, String call, Supplier<T> body) {
    boolean interrupted = Thread.currentThread().isInterrupted();
    try {
      T result = body.get();
      if (result == null) {
        throw new EspalierException(
            EspalierException.Code.PLUGIN_CONTRACT,
            "The plugin (%s) answered the call %s with null.".formatted(id, call),
            null);
      }
      if (!interrupted && Thread.interrupted()) {
        throw new EspalierException(
            EspalierException.Code.PLUGIN_CONTRACT,
            "The plugin (%s) has left its thread interrupted in the call %s.".formatted(id, call),
            "Maybe handle the interruption where it is caught.");
      }
      return result;
    } catch (BudgetExhaustedException e) {
      throw new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          "The call %s of the plugin (%s) threw a %s, which only the engine may: %s"
              .formatted(call, id, e.getClass().getSimpleName(), e.what()),
          null,
          e);
    } catch (EspalierException e) {
      throw e;
    } catch (Throwable e) {
      // What a plugin means to say has a message; of anything else the kind says more.
      boolean said = e instanceof RuntimeException && e.getMessage() != null;
      throw new EspalierException(
          EspalierException.Code.NATIVE,
          "A call of the plugin (" + id + ") failed: " + (said ? e.getMessage() : e),
          null,
          e);
    } finally {
      if (!interrupted) {
        // Nothing else that this thread does may end by what a plugin left.
        Thread.interrupted();
      }
    }
  }
}
