package org.espalier.engine;

import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import org.espalier.api.Candidate;
import org.espalier.api.Noise;
import org.espalier.api.Trajectory;
import org.espalier.api.Verdict;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Cost;
import org.espalier.spi.ModelState;
import org.espalier.spi.RgbImage;
import org.jspecify.annotations.Nullable;

/** A trajectory's handle, its native state and its reference count; owned by one search. */
final class Node implements Trajectory {
  final StateStore store;
  final long id;
  final @Nullable Node parent;
  final String verb;
  final int step;
  final Noise noise;
  final OptionalDouble logProb;

  /** Whether the state reads its parent's, which must then stay open. */
  final boolean dependent;

  /** By role. Most nodes of a wide search are never judged, nor anything noted of them. */
  Map<VerifierRole, Verdict> verdicts = Map.of();

  Map<String, Double> facts = Map.of();
  String pruned = "";
  Cost cost;
  @Nullable RgbImage image;

  /** Whether the model holds the evaluation of this state, so that expanding it is cached. */
  boolean evaluated;

  /** Whether this is a step inside a roll-out, which the tree log leaves out. */
  boolean between;

  /** Null once closed. */
  @Nullable ModelState state;

  /** Whether the strategy holds a handle. */
  boolean held;

  /** The latest batch that this node was in. */
  private int pass;

  /** Handle held by the strategy + engine pins + open states that depend on this one. */
  int references;

  Node(
      StateStore store,
      long id,
      @Nullable Node parent,
      String verb,
      ModelState state,
      Noise noise,
      Cost cost) {
    this.store = store;
    this.id = id;
    this.parent = parent;
    this.verb = verb;
    this.state = state;
    this.step = state.step();
    this.noise = noise;
    this.cost = cost;
    this.logProb = state.logProb();
    this.dependent = state.dependsOnParent();
  }

  @Override
  public long id() {
    return id;
  }

  @Override
  public int step() {
    return step;
  }

  @Override
  public int horizon() {
    return store.horizon;
  }

  @Override
  public OptionalDouble logProb() {
    return logProb;
  }

  /**
   * Whether this is the node's first row in a batch.
   *
   * @param batch the batch's number, positive and different for each
   */
  boolean isFirstIn(int batch) {
    boolean first = pass != batch;
    pass = batch;
    return first;
  }

  /** The state, which must be open. */
  ModelState open() {
    ModelState open = state;
    if (open == null) {
      throw new AssertionError("the state of " + this + " is closed");
    }
    return open;
  }

  /** The image, which must have been decoded. */
  RgbImage decoded() {
    RgbImage decoded = image;
    if (decoded == null) {
      throw new AssertionError("an image of " + this + " was decoded and is not there");
    }
    return decoded;
  }

  void judged(VerifierRole role, Verdict verdict) {
    if (verdicts.isEmpty()) {
      verdicts = new EnumMap<>(VerifierRole.class);
    }
    verdicts.put(role, verdict);
  }

  void note(Map<String, Double> more) {
    if (facts.isEmpty()) {
      facts = new LinkedHashMap<>();
    }
    facts.putAll(more);
  }

  /** The search verifier's score, or negative infinity if there is none. */
  double score() {
    return verdicts.get(VerifierRole.SEARCH) instanceof Verdict.Scored scored
        ? scored.value()
        : Double.NEGATIVE_INFINITY;
  }

  /** With the search verifier's verdict, which there must be. */
  Candidate candidate() {
    Verdict verdict = verdicts.get(VerifierRole.SEARCH);
    if (verdict == null) {
      throw new AssertionError("there is no verdict on " + this);
    }
    return new Candidate(this, verdict);
  }

  TreeNode log() {
    Node from = parent;
    while (from != null && from.between) {
      from = from.parent;
    }
    return new TreeNode(
        id,
        from == null ? OptionalLong.empty() : OptionalLong.of(from.id),
        step,
        verb,
        cost,
        verdicts,
        facts,
        pruned);
  }

  @Override
  public String toString() {
    return "trajectory " + id + " at step " + step + "/" + store.horizon;
  }
}
