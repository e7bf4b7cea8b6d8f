package org.espalier.engine;

import java.time.Duration;
import org.espalier.api.EspalierException;
import org.espalier.spi.TransientFailure;

/**
 * What is done about a {@link TransientFailure} of a verifier: the same call again, after a pause
 * that doubles each time. Pauses are charged to nobody.
 *
 * @param attempts calls in all, positive; 1 does not try again
 * @param first the first pause, unless the verifier says how long; not negative
 * @param longest no pause is longer; not negative
 * @param sleeper waits; tests pass their own
 */
public record Retry(int attempts, Duration first, Duration longest, Sleeper sleeper) {
  /** Waits. */
  @FunctionalInterface
  public interface Sleeper {
    /**
     * Waits.
     *
     * @param pause how long
     * @throws InterruptedException if the thread is interrupted meanwhile
     */
    void sleep(Duration pause) throws InterruptedException;
  }

  public Retry {
    if (attempts < 1 || first.isNegative() || longest.isNegative()) {
      throw EspalierException.config(
          "Calls are tried %d times with pauses from %s to %s.".formatted(attempts, first, longest),
          "Maybe use Retry.defaults().");
    }
  }

  /** Five attempts within about eight seconds, or as a server says, up to half a minute each. */
  public static Retry defaults() {
    return new Retry(
        5, Duration.ofMillis(500), Duration.ofSeconds(30), pause -> Thread.sleep(pause.toMillis()));
  }

  /** Never again. */
  public static Retry none() {
    return new Retry(1, Duration.ZERO, Duration.ZERO, pause -> {});
  }

  /**
   * Waits before another attempt.
   *
   * @param failed attempts so far, positive
   * @param failure the last one
   * @throws TransientFailure that very failure, if there is to be no other attempt
   */
  void pause(int failed, TransientFailure failure) {
    if (failed >= attempts) {
      throw failure;
    }
    Duration doubled = first.multipliedBy(1L << Math.min(20, failed - 1));
    Duration wanted = failure.retryAfter().orElse(doubled);
    try {
      sleeper.sleep(wanted.compareTo(longest) > 0 ? longest : wanted);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      failure.addSuppressed(e);
      throw failure;
    }
  }
}
