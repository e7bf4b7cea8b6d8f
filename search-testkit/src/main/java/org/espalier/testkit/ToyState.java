package org.espalier.testkit;

import java.util.OptionalDouble;
import java.util.concurrent.atomic.AtomicLong;
import org.espalier.spi.ModelState;
import org.jspecify.annotations.Nullable;

/** A state of a toy model: some numbers, and bytes counted as if they were native memory. */
final class ToyState implements ModelState {
  private final AtomicLong liveStates;
  private final int step;
  private final long bytes;
  final @Nullable ToyState parent;
  final double[] values;

  /** Of all draws so far; NaN where the model has none. */
  final double logProb;

  /** Whether the model holds the evaluation of this state. */
  boolean evaluated;

  private boolean closed;

  ToyState(
      AtomicLong liveStates,
      int step,
      long bytes,
      @Nullable ToyState parent,
      double[] values,
      double logProb) {
    this.liveStates = liveStates;
    this.step = step;
    this.bytes = bytes;
    this.parent = parent;
    this.values = values;
    this.logProb = logProb;
    liveStates.incrementAndGet();
  }

  @Override
  public int step() {
    return step;
  }

  @Override
  public boolean dependsOnParent() {
    return parent != null;
  }

  @Override
  public long nativeBytes() {
    return bytes;
  }

  @Override
  public OptionalDouble logProb() {
    return Double.isNaN(logProb) ? OptionalDouble.empty() : OptionalDouble.of(logProb);
  }

  /** This state, if it and all that it reads are open. */
  ToyState open() {
    ToyState state = this;
    while (state != null) {
      if (state.closed) {
        throw new IllegalStateException("use after close of a state at step " + state.step);
      }
      state = state.parent;
    }
    return this;
  }

  @Override
  public void close() {
    if (closed) {
      throw new IllegalStateException("second close of a state at step " + step);
    }
    closed = true;
    liveStates.decrementAndGet();
  }
}
