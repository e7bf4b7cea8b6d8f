package org.espalier.engine;

import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.espalier.api.Prompt;
import org.espalier.api.Verdict;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Cost;
import org.espalier.compute.Phase;
import org.espalier.spi.Artifact;
import org.espalier.spi.Judgement;
import org.espalier.spi.RgbImage;
import org.espalier.spi.Verifier;

/** Decodes nodes, each once as long as its state is open, and has them judged. */
final class Judging {
  private final String search;
  private final Prompt prompt;
  private final String model;
  private final ModelCalls calls;
  private final DefaultQuotes quotes;
  private final NativeGate gate;

  Judging(SearchRequest request, ModelCalls calls, DefaultQuotes quotes, NativeGate gate) {
    this.search = request.id();
    this.prompt = request.prompt();
    this.model = request.model().card().id();
    this.calls = calls;
    this.quotes = quotes;
    this.gate = gate;
  }

  /** Decodes those of some nodes that have no image yet. */
  void decode(List<Node> nodes, Ledger.Reservation reservation) {
    List<Artifact> artifacts = new ArrayList<>();
    try {
      decode(nodes, reservation, artifacts);
    } finally {
      artifacts.forEach(Artifact::close);
    }
  }

  /** Verdicts on some nodes, in order. */
  List<Verdict> judge(
      VerifierRole role, Verifier verifier, List<Node> nodes, Ledger.Reservation reservation) {
    List<Artifact> artifacts = new ArrayList<>();
    try {
      Map<Node, Artifact> fresh = decode(nodes, reservation, artifacts);
      List<Judgement> judgements = new ArrayList<>();
      for (Node node : nodes) {
        Artifact artifact = fresh.get(node);
        judgements.add(
            new Judgement(
                search + "/" + node.id,
                prompt,
                artifact == null ? Artifact.of(node.decoded()) : artifact));
      }
      NativeGate.Measured<List<Verdict>> measured =
          gate.call(verifier, () -> verifier.verify(judgements));
      ModelCalls.requireSize(verifier.card().id(), "verify", measured.result(), nodes.size());
      Cost charged = quotes.judge(role).times(nodes.size());
      reservation.commit(
          Phase.VERIFY,
          new Cost(
              0, 0, 0, 0, 0, charged.verifierCalls(), measured.work().flops(), measured.nanos()));
      return measured.result();
    } finally {
      artifacts.forEach(Artifact::close);
    }
  }

  /** An image of a node: kept, or decoded again outside the account. */
  RgbImage imageOf(Node node) {
    RgbImage image = node.image;
    if (image != null) {
      return image;
    }
    List<Artifact> artifacts = calls.decode(List.of(node)).result();
    try {
      return artifacts.get(0).image();
    } finally {
      artifacts.forEach(Artifact::close);
    }
  }

  private Map<Node, Artifact> decode(
      List<Node> nodes, Ledger.Reservation reservation, List<Artifact> artifacts) {
    Map<Node, Artifact> fresh = new IdentityHashMap<>();
    Set<Node> undecoded = Collections.newSetFromMap(new IdentityHashMap<>());
    List<Node> rows = new ArrayList<>();
    long nfe = 0;
    for (Node node : nodes) {
      if (node.image == null && undecoded.add(node)) {
        rows.add(node);
        nfe += quotes.decode(node.step).nfe();
      }
    }
    if (rows.isEmpty()) {
      return fresh;
    }
    NativeGate.Measured<List<Artifact>> measured = calls.decode(rows);
    artifacts.addAll(measured.result());
    ModelCalls.requireSize(model, "decode", artifacts, rows.size());
    reservation.commit(
        Phase.DECODE,
        // A preview may have needed the network: its rows count, its nfe by the quote.
        new Cost(
            nfe,
            measured.work().rows(),
            measured.work().tokens(),
            measured.work().flops(),
            rows.size(),
            0,
            0,
            measured.nanos()));
    for (int i = 0; i < rows.size(); i++) {
      Node node = rows.get(i);
      fresh.put(node, artifacts.get(i));
      node.image = artifacts.get(i).image();
      if (!node.isComplete() && quotes.decode(node.step).rows() > 0) {
        // This preview took the evaluation that an expansion needs; the model keeps it.
        node.evaluated = true;
      }
    }
    return fresh;
  }
}
