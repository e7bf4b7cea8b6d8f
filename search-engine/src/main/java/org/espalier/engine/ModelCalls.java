package org.espalier.engine;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.IntUnaryOperator;
import org.espalier.api.EspalierException;
import org.espalier.compute.Cost;
import org.espalier.compute.Phase;
import org.espalier.spi.Artifact;
import org.espalier.spi.Branch;
import org.espalier.spi.Conditioning;
import org.espalier.spi.DecodeRow;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.ModelState;
import org.espalier.spi.RewindRow;
import org.espalier.spi.Root;
import org.espalier.spi.WorkCounters;
import org.jspecify.annotations.Nullable;

/**
 * One search's calls of its model: measured, checked against the contract, charged. A call that is
 * refused afterwards leaves no state open.
 */
final class ModelCalls {
  private final GenerativeModel model;
  private final String id;
  private final NativeGate gate;
  final Conditioning conditioning;

  ModelCalls(GenerativeModel model, Conditioning conditioning, NativeGate gate) {
    this.model = model;
    this.id = NativeGate.id(model);
    this.conditioning = conditioning;
    this.gate = gate;
  }

  /** Time spent waiting for other searches, in nanoseconds. */
  long waitNanos() {
    return gate.waitNanos();
  }

  /** Roots, one a row, to be closed by the caller. */
  Arrivals begin(List<Root> roots, Cost quote, Ledger.Reservation reservation) {
    NativeGate.Measured<List<ModelState>> measured =
        gate.call(model, "begin", () -> model.begin(roots));
    return charged("begin", measured, measured.result(), roots.size(), quote, i -> 0, reservation);
  }

  /** Children in the order of rows and of each row's draws, to be closed by the caller. */
  Arrivals expand(List<Branch> branches, Cost quote, Ledger.Reservation reservation) {
    NativeGate.Measured<List<List<ModelState>>> measured =
        gate.call(model, "expand", () -> model.expand(branches));
    List<ModelState> children = new ArrayList<>();
    List<Integer> steps = new ArrayList<>();
    for (int i = 0; i < measured.result().size(); i++) {
      List<ModelState> siblings = measured.result().get(i);
      if (siblings != null) {
        children.addAll(siblings);
        int step = i < branches.size() ? branches.get(i).state().step() + 1 : -1;
        siblings.forEach(sibling -> steps.add(step));
      }
    }
    try {
      requireSize(id, "expand", measured.result(), branches.size());
      for (int i = 0; i < branches.size(); i++) {
        requireSize(id, "expand", measured.result().get(i), branches.get(i).draws().size());
      }
    } catch (EspalierException e) {
      throw closing(children, e);
    }
    return charged("expand", measured, children, children.size(), quote, steps::get, reservation);
  }

  /** Rewound states, one a row, to be closed by the caller. */
  Arrivals rewind(List<RewindRow> rows, Cost quote, Ledger.Reservation reservation) {
    NativeGate.Measured<List<ModelState>> measured =
        gate.call(model, "rewind", () -> model.rewind(rows));
    return charged(
        "rewind",
        measured,
        measured.result(),
        rows.size(),
        quote,
        i -> rows.get(i).toStep(),
        reservation);
  }

  /** Images of nodes, to be closed and charged by the caller. */
  NativeGate.Measured<List<Artifact>> decode(List<Node> nodes) {
    List<DecodeRow> rows = new ArrayList<>();
    nodes.forEach(node -> rows.add(new DecodeRow(node.open(), conditioning)));
    return gate.call(model, "decode", () -> model.decode(rows));
  }

  private Arrivals charged(
      String call,
      NativeGate.Measured<?> measured,
      List<ModelState> states,
      int expected,
      Cost quote,
      IntUnaryOperator step,
      Ledger.Reservation reservation) {
    try {
      requireSize(id, call, states, expected);
      for (int i = 0; i < states.size(); i++) {
        requireStep(call, states.get(i), step.applyAsInt(i));
      }
      requireCounted(id, call, quote, measured.work());
      reservation.commit(Phase.GENERATE, measured.generated(quote.nfe()));
      return new Arrivals(states);
    } catch (RuntimeException e) {
      throw closing(states, e);
    }
  }

  private void requireStep(String call, ModelState state, int expected) {
    if (state.step() != expected) {
      throw new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          "The model (%s) answered the call %s with a state at step (%d) instead of %d."
              .formatted(id, call, state.step(), expected),
          "Maybe take one step at a time: the horizon is the number of steps.");
    }
  }

  /**
   * A quote is exact: whoever counts less than was quoted has forgotten to count, and its searches
   * would look cheaper than they are.
   */
  static void requireCounted(String id, String call, Cost quote, WorkCounters work) {
    if (work.rows() < quote.rows()
        || work.tokens() < quote.tokens()
        || work.flops() < quote.flops()) {
      throw new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          "The model (%s) counted less work (%d rows, %d tokens, %d FLOPs) in the call %s than was quoted (%d, %d, %d)."
              .formatted(
                  id,
                  work.rows(),
                  work.tokens(),
                  work.flops(),
                  call,
                  quote.rows(),
                  quote.tokens(),
                  quote.flops()),
          "Maybe count at the native call; quotes are exact.");
    }
  }

  private static RuntimeException closing(List<ModelState> states, RuntimeException failure) {
    try {
      new Arrivals(states).close();
    } catch (RuntimeException suppressed) {
      failure.addSuppressed(suppressed);
    }
    return failure;
  }

  static void requireSize(String plugin, String call, @Nullable List<?> result, int expected) {
    int size = result == null ? 0 : result.size();
    if (result == null || size != expected || result.stream().anyMatch(Objects::isNull)) {
      throw new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          result != null && size == expected
              ? "The plugin (%s) answered the call %s with a null.".formatted(plugin, call)
              : "The plugin (%s) answered the call %s with %d results instead of %d."
                  .formatted(plugin, call, size, expected),
          null);
    }
  }
}
