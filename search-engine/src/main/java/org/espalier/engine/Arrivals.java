package org.espalier.engine;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import org.espalier.spi.ModelState;

/**
 * States that a model handed over and nobody owns yet. Closing closes those that were not taken,
 * youngest first, so that neither a wrong number of results nor a failure half-way leaks one.
 */
final class Arrivals implements AutoCloseable {
  private final Deque<ModelState> waiting;

  Arrivals(List<ModelState> states) {
    this.waiting = new ArrayDeque<>(states);
  }

  /** The next state; whoever takes it closes it, whatever happens. */
  ModelState next() {
    return waiting.removeFirst();
  }

  @Override
  public void close() {
    RuntimeException failure = null;
    while (!waiting.isEmpty()) {
      try {
        waiting.removeLast().close();
      } catch (RuntimeException e) {
        if (failure == null) {
          failure = e;
        } else {
          failure.addSuppressed(e);
        }
      }
    }
    if (failure != null) {
      throw failure;
    }
  }
}
