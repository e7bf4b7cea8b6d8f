package org.espalier.engine;

import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.api.Verdict;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Accuracy;
import org.espalier.compute.Cost;
import org.espalier.compute.Phase;
import org.espalier.spi.Artifact;
import org.espalier.spi.Closing;
import org.espalier.spi.Judgement;
import org.espalier.spi.RgbImage;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierCard;

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
    this.model = NativeGate.id(request.model());
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
      closeAll(artifacts);
    }
  }

  /** Verdicts on some nodes, in order. */
  List<Verdict> judge(
      VerifierRole role, Verifier verifier, List<Node> nodes, Ledger.Reservation reservation) {
    List<Artifact> artifacts = new ArrayList<>();
    try {
      Map<Node, Artifact> fresh = decode(nodes, reservation, artifacts);
      List<Judgement> judgements = new ArrayList<>();
      for (int i = 0; i < nodes.size(); i++) {
        Node node = nodes.get(i);
        Artifact artifact = fresh.get(node);
        judgements.add(
            new Judgement(
                search + "/" + node.id + (nodes.indexOf(node) < i ? "#" + i : ""),
                prompt,
                // Never the kept image itself, which nobody may paint over.
                artifact == null ? Artifact.of(node.decoded().copy()) : artifact));
      }
      Judged judged = judge(gate, verifier, judgements, quotes.judge(role));
      reservation.commit(Phase.VERIFY, judged.cost());
      return judged.verdicts();
    } finally {
      closeAll(artifacts);
    }
  }

  /** Verdicts in the order of the judgements, and what they cost together. */
  record Judged(List<Verdict> verdicts, Cost cost) {}

  /**
   * Has images judged and checks the answer.
   *
   * @param each what one verdict was quoted
   */
  static Judged judge(NativeGate gate, Verifier verifier, List<Judgement> judgements, Cost each) {
    String id = NativeGate.id(verifier);
    VerifierCard card = NativeGate.guard(id, "card", verifier::card);
    NativeGate.Measured<Map<String, Verdict>> measured =
        gate.call(verifier, () -> verifier.verifyById(List.copyOf(judgements)));
    Map<String, Verdict> answers = measured.result();
    List<Verdict> verdicts = new ArrayList<>(judgements.size());
    for (Judgement judgement : judgements) {
      Verdict verdict = answers.get(judgement.candidateId());
      if (verdict == null) {
        throw new EspalierException(
            EspalierException.Code.PLUGIN_CONTRACT,
            "The verifier (%s) gave no verdict on the candidate (%s)."
                .formatted(id, judgement.candidateId()),
            "Maybe answer with Verdict.Failed where an image cannot be judged.");
      }
      verdicts.add(verdict);
    }
    ModelCalls.requireSize(id, "verify", List.copyOf(answers.keySet()), judgements.size());
    Cost quoted = each.times(judgements.size());
    if (card.accuracy() != Accuracy.EXACT || card.concurrency() > 1) {
      // Not counted here, or together with what other searches ask: charged as quoted.
      return new Judged(verdicts, quoted.withWallNanos(measured.nanos()));
    }
    Cost counted =
        new Cost(0, 0, 0, 0, 0, quoted.verifierCalls(), measured.work().flops(), measured.nanos());
    return new Judged(
        verdicts,
        quoted.verifierTokens() == 0 && quoted.microDollars() == 0
            ? counted
            : counted.withService(measured.work().tokens(), measured.work().microDollars()));
  }

  /** An image of a node: kept, or decoded again outside the account. */
  RgbImage imageOf(Node node) {
    RgbImage image = node.image;
    if (image != null) {
      return image;
    }
    List<Artifact> artifacts = calls.decode(List.of(node)).result();
    try {
      return artifacts.get(0).image().copy();
    } finally {
      closeAll(artifacts);
    }
  }

  private Map<Node, Artifact> decode(
      List<Node> nodes, Ledger.Reservation reservation, List<Artifact> artifacts) {
    Map<Node, Artifact> fresh = new IdentityHashMap<>();
    Set<Node> undecoded = Collections.newSetFromMap(new IdentityHashMap<>());
    List<Node> rows = new ArrayList<>();
    long nfe = 0;
    Cost least = Cost.ZERO;
    for (Node node : nodes) {
      if (node.image == null && undecoded.add(node)) {
        rows.add(node);
        Cost cost = quotes.decode(node.step);
        nfe += cost.nfe();
        // A preview of what was expanded before needs no evaluation of its own.
        least = node.evaluated && !node.isComplete() ? least : least.plus(cost);
      }
    }
    if (rows.isEmpty()) {
      return fresh;
    }
    NativeGate.Measured<List<Artifact>> measured = calls.decode(rows);
    artifacts.addAll(measured.result());
    ModelCalls.requireSize(model, "decode", artifacts, rows.size());
    ModelCalls.requireCounted(model, "decode", least, measured.work());
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
      Artifact artifact = artifacts.get(i);
      node.image = NativeGate.guard(model, "decode", () -> artifact.image()).copy();
      if (!node.isComplete() && quotes.decode(node.step).rows() > 0) {
        // This preview took the evaluation that an expansion needs; the model keeps it.
        node.evaluated = true;
      }
    }
    return fresh;
  }

  private static void closeAll(List<Artifact> artifacts) {
    Closing.all(artifacts);
  }
}
