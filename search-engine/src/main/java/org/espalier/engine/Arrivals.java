package org.espalier.engine;

import java.util.List;
import org.espalier.spi.ModelState;

/**
 * States that a model handed over and nobody owns yet. Closing closes those that were not taken,
 * youngest first, so that neither a wrong number of results nor a failure half-way leaks one.
 */
final class Arrivals implements AutoCloseable {
  private final List<ModelState> states;
  private int taken;

  Arrivals(List<ModelState> states) {
    this.states = states;
  }

  /** The next state; whoever takes it closes it, whatever happens. */
  ModelState next() {
    return states.get(taken++);
  }

  @Override
  public void close() {
    RuntimeException failure = null;
    for (int i = states.size() - 1; i >= taken; i--) {
      try {
        states.get(i).close();
      } catch (RuntimeException e) {
        if (failure == null) {
          failure = e;
        } else {
          failure.addSuppressed(e);
        }
      }
    }
    taken = states.size();
    if (failure != null) {
      throw failure;
    }
  }
}
