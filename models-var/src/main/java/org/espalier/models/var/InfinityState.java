package org.espalier.models.var;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.OptionalDouble;
import org.espalier.spi.ModelState;
import org.espalier.torch.TorchTensor;
import org.jspecify.annotations.Nullable;

/**
 * A trajectory of Infinity after some scales: its summed code and, once it has been expanded, the
 * evaluation of the next scale. That evaluation depends on the bits up to here only, so all
 * children share it, and hold but their own summed code.
 */
final class InfinityState implements ModelState {
  private final @Nullable InfinityState parent;
  private final int step;
  private final TorchTensor code;
  private final double logProb;
  private final boolean complete;
  private InfinityNetwork.@Nullable Evaluation evaluation;
  private boolean evaluated;

  /**
   * A state.
   *
   * @param parent null for a root
   * @param code its summed code, which it owns
   * @param logProb of all its bits
   * @param complete whether no scale follows
   */
  InfinityState(
      @Nullable InfinityState parent, TorchTensor code, double logProb, boolean complete) {
    this.parent = parent;
    this.step = parent == null ? 0 : parent.step + 1;
    this.code = code;
    this.logProb = logProb;
    this.complete = complete;
  }

  @Override
  public int step() {
    return step;
  }

  @Override
  public boolean dependsOnParent() {
    // A complete state needs its summed code only, so the keys and values behind it can go.
    return parent != null && !complete;
  }

  TorchTensor code() {
    return code;
  }

  synchronized InfinityNetwork.@Nullable Evaluation evaluation() {
    return evaluation;
  }

  synchronized void keep(InfinityNetwork.Evaluation made) {
    evaluation = made;
    evaluated = true;
  }

  /** Whether it has been evaluated, so that doing it again is a replay. */
  synchronized boolean evaluated() {
    return evaluated;
  }

  /** Drops the evaluation for want of memory: it can be repeated from the summed code. */
  synchronized void evict() {
    if (evaluation != null) {
      evaluation.close();
      evaluation = null;
    }
  }

  /** The states before this one, from the root on. */
  List<InfinityState> ancestors() {
    Deque<InfinityState> ancestors = new ArrayDeque<>(step);
    for (InfinityState state = parent; state != null; state = state.parent) {
      ancestors.addFirst(state);
    }
    return List.copyOf(ancestors);
  }

  /** Keys and values of all earlier scales, from the root on. */
  List<InfinityNetwork.Evaluation> past() {
    List<InfinityNetwork.Evaluation> past = new ArrayList<>(step);
    for (InfinityState state : ancestors()) {
      InfinityNetwork.Evaluation made = state.evaluation();
      if (made == null) {
        throw new IllegalStateException("a parent was never expanded or is closed");
      }
      past.add(made);
    }
    return past;
  }

  @Override
  public synchronized long nativeBytes() {
    return code.nativeBytes() + (evaluation == null ? 0 : evaluation.nativeBytes());
  }

  @Override
  public OptionalDouble logProb() {
    return OptionalDouble.of(logProb);
  }

  @Override
  public synchronized void close() {
    code.close();
    evict();
  }
}
