package org.espalier.engine;

import java.util.List;
import org.espalier.spi.Closing;
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
    List<ModelState> rest = states.subList(taken, states.size());
    taken = states.size();
    Closing.all(rest);
  }
}
