package org.espalier.spi;

import java.time.Duration;
import java.util.Optional;
import org.espalier.api.EspalierException;
import org.jspecify.annotations.Nullable;

/**
 * A failure that may pass: a server that is busy, a timeout, a connection that broke. The engine
 * waits and makes the same call again, a few times and longer each time; if it still fails, this is
 * a RESOURCE error.
 */
public final class TransientFailure extends EspalierException {
  private static final long serialVersionUID = 1L;

  private final @Nullable Duration retryAfter;

  /**
   * @param what one sentence: what did not work
   * @param advice what to do if it goes on, or null
   * @param retryAfter how long to wait before the next attempt, as a server said; null for the
   *     engine's own choice
   * @param cause the cause, or null
   */
  public TransientFailure(
      String what,
      @Nullable String advice,
      @Nullable Duration retryAfter,
      @Nullable Throwable cause) {
    super(Code.RESOURCE, what, advice, cause);
    this.retryAfter = retryAfter;
  }

  /** How long to wait before the next attempt, if whoever failed has said. */
  public Optional<Duration> retryAfter() {
    return Optional.ofNullable(retryAfter);
  }
}
