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
 * A trajectory after some steps: what it has drawn and, once it has been expanded, the evaluation
 * of the next step. That evaluation depends on the draws up to here only, so all children share it,
 * and hold but their own draws; where a step draws several tokens one after the other, also the
 * keys and values that this made.
 */
final class TokenState implements ModelState {
  private final @Nullable TokenState parent;
  private final int step;
  private final TorchTensor code;
  private final double logProb;
  private final boolean complete;
  private KeptNetwork.@Nullable Evaluation grown;
  private final boolean grew;
  private KeptNetwork.@Nullable Evaluation evaluation;
  private boolean evaluated;

  /**
   * A root.
   *
   * @param code nothing drawn yet; owned by the state
   */
  TokenState(TorchTensor code) {
    this(null, new KeptNetwork.Child(0, code, null), false);
  }

  /**
   * A state.
   *
   * @param parent null for a root
   * @param child what was drawn, which it owns
   * @param complete whether no step follows
   */
  TokenState(@Nullable TokenState parent, KeptNetwork.Child child, boolean complete) {
    this.parent = parent;
    this.step = parent == null ? 0 : parent.step + 1;
    this.code = child.code();
    this.logProb = (parent == null ? 0 : parent.logProb) + child.logProb();
    this.grown = child.grown();
    this.grew = grown != null;
    this.complete = complete;
  }

  @Override
  public int step() {
    return step;
  }

  @Override
  public boolean dependsOnParent() {
    // A complete state needs its draws only, so the keys and values behind it can go.
    return parent != null && !complete;
  }

  TorchTensor code() {
    return code;
  }

  synchronized KeptNetwork.@Nullable Evaluation evaluation() {
    return evaluation;
  }

  synchronized void keep(KeptNetwork.Evaluation made) {
    evaluation = made;
    evaluated = true;
  }

  /** Whether it has been evaluated, so that doing it again is a replay. */
  synchronized boolean evaluated() {
    return evaluated;
  }

  /** Whether keys and values that drawing it had made were dropped. */
  synchronized boolean lacksGrown() {
    return grew && grown == null;
  }

  synchronized void regrow(KeptNetwork.Evaluation made) {
    grown = made;
  }

  /** Whether it holds anything that can be dropped. */
  synchronized boolean holds() {
    return evaluation != null || grown != null;
  }

  /** Drops what can be made again from the draws where memory does not suffice. */
  synchronized void evict() {
    if (evaluation != null) {
      evaluation.close();
      evaluation = null;
    }
    if (grown != null) {
      grown.close();
      grown = null;
    }
  }

  @Nullable TokenState parent() {
    return parent;
  }

  /** The states before this one, from the root on. */
  List<TokenState> ancestors() {
    Deque<TokenState> ancestors = new ArrayDeque<>(step);
    for (TokenState state = parent; state != null; state = state.parent) {
      ancestors.addFirst(state);
    }
    return List.copyOf(ancestors);
  }

  /** Keys and values of all earlier steps, from the root on, with those of its own draws. */
  List<KeptNetwork.Evaluation> past() {
    List<KeptNetwork.Evaluation> past = new ArrayList<>(2 * step);
    for (TokenState state : ancestors()) {
      state.addGrown(past);
      past.add(state.required());
    }
    addGrown(past);
    return past;
  }

  /** The same with its own evaluation: what its children's draws see. */
  List<KeptNetwork.Evaluation> expandedPast() {
    List<KeptNetwork.Evaluation> past = past();
    past.add(required());
    return past;
  }

  private synchronized void addGrown(List<KeptNetwork.Evaluation> past) {
    if (grown != null) {
      past.add(grown);
    } else if (grew) {
      throw new IllegalStateException("keys and values of a state's draws were dropped");
    }
  }

  /** Its evaluation, which must be there. */
  KeptNetwork.Evaluation required() {
    KeptNetwork.Evaluation made = evaluation();
    if (made == null) {
      throw new IllegalStateException("a state was never expanded or is closed");
    }
    return made;
  }

  @Override
  public synchronized long nativeBytes() {
    return code.nativeBytes()
        + (evaluation == null ? 0 : evaluation.nativeBytes())
        + (grown == null ? 0 : grown.nativeBytes());
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
