package org.espalier.engine;

import java.util.ArrayList;
import java.util.List;
import org.espalier.api.EspalierException;
import org.espalier.compute.Phase;
import org.espalier.spi.Artifact;
import org.espalier.spi.Branch;
import org.espalier.spi.Conditioning;
import org.espalier.spi.DecodeRow;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.ModelState;
import org.espalier.spi.RewindRow;
import org.espalier.spi.Root;

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
    this.id = model.card().id();
    this.conditioning = conditioning;
    this.gate = gate;
  }

  /** Roots, one a row, to be closed by the caller. */
  Arrivals begin(List<Root> roots, long nfe, Ledger.Reservation reservation) {
    NativeGate.Measured<List<ModelState>> measured = gate.call(model, () -> model.begin(roots));
    return charged("begin", measured, measured.result(), roots.size(), nfe, reservation);
  }

  /** Children in the order of rows and of each row's draws, to be closed by the caller. */
  Arrivals expand(List<Branch> branches, long nfe, Ledger.Reservation reservation) {
    NativeGate.Measured<List<List<ModelState>>> measured =
        gate.call(model, () -> model.expand(branches));
    List<ModelState> children = new ArrayList<>();
    measured.result().forEach(children::addAll);
    try {
      requireSize(id, "expand", measured.result(), branches.size());
      for (int i = 0; i < branches.size(); i++) {
        requireSize(id, "expand", measured.result().get(i), branches.get(i).draws().size());
      }
    } catch (EspalierException e) {
      throw closing(children, e);
    }
    return charged("expand", measured, children, children.size(), nfe, reservation);
  }

  /** Rewound states, one a row, to be closed by the caller. */
  Arrivals rewind(List<RewindRow> rows, long nfe, Ledger.Reservation reservation) {
    NativeGate.Measured<List<ModelState>> measured = gate.call(model, () -> model.rewind(rows));
    return charged("rewind", measured, measured.result(), rows.size(), nfe, reservation);
  }

  /** Images of nodes, to be closed and charged by the caller. */
  NativeGate.Measured<List<Artifact>> decode(List<Node> nodes) {
    List<DecodeRow> rows = new ArrayList<>();
    nodes.forEach(node -> rows.add(new DecodeRow(node.open(), conditioning)));
    return gate.call(model, () -> model.decode(rows));
  }

  private Arrivals charged(
      String call,
      NativeGate.Measured<?> measured,
      List<ModelState> states,
      int expected,
      long nfe,
      Ledger.Reservation reservation) {
    try {
      requireSize(id, call, states, expected);
      reservation.commit(Phase.GENERATE, measured.generated(nfe));
      return new Arrivals(states);
    } catch (RuntimeException e) {
      throw closing(states, e);
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

  static void requireSize(String plugin, String call, List<?> result, int expected) {
    if (result.size() != expected) {
      throw new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          "The plugin (%s) answered the call %s with %d results instead of %d."
              .formatted(plugin, call, result.size(), expected),
          null);
    }
  }
}
