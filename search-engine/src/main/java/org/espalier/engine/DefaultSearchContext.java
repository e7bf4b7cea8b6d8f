package org.espalier.engine;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Deque;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.espalier.api.BudgetExhaustedException;
import org.espalier.api.BudgetView;
import org.espalier.api.Candidate;
import org.espalier.api.Capability;
import org.espalier.api.Draw;
import org.espalier.api.DrawKey;
import org.espalier.api.EspalierException;
import org.espalier.api.Expansion;
import org.espalier.api.Prompt;
import org.espalier.api.Quotes;
import org.espalier.api.Rewind;
import org.espalier.api.SearchContext;
import org.espalier.api.Trajectory;
import org.espalier.api.Verdict;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Budget;
import org.espalier.compute.ComputeUnit;
import org.espalier.compute.Cost;
import org.espalier.compute.Phase;
import org.espalier.spi.Artifact;
import org.espalier.spi.Branch;
import org.espalier.spi.Conditioning;
import org.espalier.spi.DecodeRow;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.Judgement;
import org.espalier.spi.ModelCard;
import org.espalier.spi.ModelState;
import org.espalier.spi.Noise;
import org.espalier.spi.RewindRow;
import org.espalier.spi.RgbImage;
import org.espalier.spi.Root;
import org.espalier.spi.Verifier;
import org.jspecify.annotations.Nullable;

/** The gate through which one search reaches its model and verifiers. */
final class DefaultSearchContext implements SearchContext {
  private final SearchRequest request;
  private final GenerativeModel model;
  private final ModelCard card;
  private final Conditioning conditioning;
  private final Ledger ledger;
  private final DefaultQuotes quotes;
  private final NativeGate gate;
  private final StateStore store;
  private final DrawKey promptKey;
  private final long startNanos;
  private final List<IncumbentPoint> curve = new ArrayList<>();
  private @Nullable Node best;
  private @Nullable RgbImage bestImage;

  /** The trajectory that is cheapest to finish while there is no incumbent; pinned. */
  private @Nullable Node escrowed;

  private static final int MAX_REFUSALS = 10_000;
  private final Thread owner = Thread.currentThread();
  private int refusals;
  private boolean ended;

  DefaultSearchContext(
      SearchRequest request,
      Conditioning conditioning,
      Ledger ledger,
      DefaultQuotes quotes,
      NativeGate gate,
      long startNanos) {
    this.request = request;
    this.model = request.model();
    this.card = model.card();
    this.conditioning = conditioning;
    this.ledger = ledger;
    this.quotes = quotes;
    this.gate = gate;
    this.store = new StateStore(card.horizon(), request.options().maxTrajectories());
    this.promptKey = request.key().child("prompt").child(request.prompt().id());
    this.startNanos = startNanos;
  }

  @Override
  public Prompt prompt() {
    return request.prompt();
  }

  @Override
  public int horizon() {
    return card.horizon();
  }

  @Override
  public Set<Capability> capabilities() {
    return card.capabilities();
  }

  @Override
  public boolean isStochastic(int step) {
    return card.stochasticStep().test(step);
  }

  @Override
  public BudgetView budget() {
    return new BudgetView() {
      @Override
      public Budget budget() {
        return request.budget();
      }

      @Override
      public Cost spent() {
        return ledger.spent();
      }

      @Override
      public double remaining() {
        return ledger.remaining(escrow(-1));
      }

      @Override
      public double progress() {
        return Math.min(1, request.budget().unit().of(ledger.spent()) / request.budget().limit());
      }

      @Override
      public boolean affords(Cost quote) {
        // The work asked about may itself be the finishing of a sample, so nothing is held back.
        return ledger.admits(quote, Cost.ZERO);
      }
    };
  }

  @Override
  public Quotes quotes() {
    return quotes;
  }

  @Override
  public DrawKey stream(String purpose) {
    return promptKey.child(purpose);
  }

  @Override
  public List<Trajectory> begin(List<? extends Draw> draws) {
    List<Noise> noises = new ArrayList<>(draws.size());
    for (Draw draw : draws) {
      noises.add(resolve(draw, null));
    }
    Cost each = quotes.begin();
    List<Node> made = new ArrayList<>();
    return verb(
        "begin",
        each.times(draws.size()),
        0,
        made,
        reservation -> {
          for (List<Noise> chunk : chunks(noises)) {
            List<Root> roots = new ArrayList<>();
            chunk.forEach(noise -> roots.add(new Root(conditioning, noise)));
            NativeGate.Measured<List<ModelState>> measured =
                gate.call(model, () -> model.begin(roots));
            try (Arrivals arrivals = new Arrivals("begin", List.of(measured.result()))) {
              arrivals.requireSize(measured.result(), roots.size());
              reservation.commit(Phase.GENERATE, measured.generated(each.nfe() * roots.size()));
              for (Noise noise : chunk) {
                made.add(store.add(null, "begin", arrivals.next(), noise, each));
              }
            }
          }
          return hold(made);
        });
  }

  @Override
  public List<List<Trajectory>> expand(List<Expansion> batch) {
    List<Node> parents = new ArrayList<>(batch.size());
    List<List<Noise>> noises = new ArrayList<>(batch.size());
    Set<Node> willBeEvaluated = Collections.newSetFromMap(new IdentityHashMap<>());
    List<Cost> costs = new ArrayList<>(batch.size());
    Cost quote = Cost.ZERO;
    int furthest = 0;
    for (Expansion expansion : batch) {
      Node parent = store.require(expansion.from());
      if (parent.isComplete()) {
        throw new EspalierException(
            EspalierException.Code.PLUGIN_CONTRACT,
            "The " + parent + " is complete and cannot be expanded.",
            "Maybe verify it.");
      }
      List<Noise> children = new ArrayList<>();
      expansion.draws().forEach(draw -> children.add(resolve(draw, parent)));
      parents.add(parent);
      noises.add(children);
      boolean cached = parent.evaluated || !willBeEvaluated.add(parent);
      Cost cost = quotes.expand(parent.step, children.size(), cached);
      costs.add(cost);
      quote = quote.plus(cost);
      furthest = Math.max(furthest, parent.step + 1);
    }
    List<Node> made = new ArrayList<>();
    return verb(
        "expand",
        quote,
        furthest,
        made,
        reservation -> {
          List<List<Trajectory>> result = new ArrayList<>(batch.size());
          List<Integer> rows = new ArrayList<>();
          for (int i = 0; i < parents.size(); i++) {
            rows.add(i);
          }
          for (List<Integer> chunk : chunks(rows)) {
            List<Branch> branches = new ArrayList<>();
            long nfe = 0;
            for (int row : chunk) {
              branches.add(new Branch(open(parents.get(row)), conditioning, noises.get(row)));
              nfe += costs.get(row).nfe();
            }
            NativeGate.Measured<List<List<ModelState>>> measured =
                gate.call(model, () -> model.expand(branches));
            try (Arrivals arrivals = new Arrivals("expand", measured.result())) {
              arrivals.requireSize(measured.result(), branches.size());
              for (int i = 0; i < chunk.size(); i++) {
                arrivals.requireSize(measured.result().get(i), noises.get(chunk.get(i)).size());
              }
              reservation.commit(Phase.GENERATE, measured.generated(nfe));
              for (int row : chunk) {
                Node parent = parents.get(row);
                parent.evaluated = true;
                List<Noise> draws = noises.get(row);
                List<Node> children = new ArrayList<>();
                for (int c = 0; c < draws.size(); c++) {
                  Cost share = share(costs.get(row), draws.size(), c);
                  Node child = store.add(parent, "expand", arrivals.next(), draws.get(c), share);
                  made.add(child);
                  children.add(child);
                }
                result.add(hold(children));
              }
            }
          }
          return result;
        });
  }

  @Override
  public List<Trajectory> rewind(List<Rewind> batch) {
    require(Capability.REWIND, "rewind");
    List<Node> origins = new ArrayList<>();
    List<RewindRow> all = new ArrayList<>();
    Cost quote = Cost.ZERO;
    int furthest = 0;
    for (Rewind rewind : batch) {
      Node origin = store.require(rewind.from());
      if (rewind.toStep() < 0 || rewind.toStep() >= origin.step) {
        throw new EspalierException(
            EspalierException.Code.PLUGIN_CONTRACT,
            "The " + origin + " cannot be rewound to step (" + rewind.toStep() + ").",
            "Maybe choose a step in [0, " + origin.step + ").");
      }
      origins.add(origin);
      all.add(
          new RewindRow(open(origin), conditioning, rewind.toStep(), resolve(rewind.draw(), null)));
      quote = quote.plus(quotes.rewind(origin.step, rewind.toStep()));
      furthest = Math.max(furthest, rewind.toStep());
    }
    List<Node> made = new ArrayList<>();
    return verb(
        "rewind",
        quote,
        furthest,
        made,
        reservation -> {
          int row = 0;
          for (List<RewindRow> chunk : chunks(all)) {
            long nfe = 0;
            for (int i = 0; i < chunk.size(); i++) {
              nfe += quotes.rewind(origins.get(row + i).step, chunk.get(i).toStep()).nfe();
            }
            NativeGate.Measured<List<ModelState>> measured =
                gate.call(model, () -> model.rewind(chunk));
            try (Arrivals arrivals = new Arrivals("rewind", List.of(measured.result()))) {
              arrivals.requireSize(measured.result(), chunk.size());
              reservation.commit(Phase.GENERATE, measured.generated(nfe));
              for (RewindRow each : chunk) {
                Node origin = origins.get(row++);
                Cost cost = quotes.rewind(origin.step, each.toStep());
                made.add(store.add(origin, "rewind", arrivals.next(), each.noise(), cost));
              }
            }
          }
          return hold(made);
        });
  }

  @Override
  public List<Trajectory> complete(List<Trajectory> batch) {
    List<Node> starts = new ArrayList<>();
    Set<Node> willBeEvaluated = Collections.newSetFromMap(new IdentityHashMap<>());
    List<Cost> costs = new ArrayList<>();
    Cost quote = Cost.ZERO;
    for (Trajectory trajectory : batch) {
      Node start = store.require(trajectory);
      boolean cached = start.evaluated || !willBeEvaluated.add(start);
      Cost cost = quotes.complete(start.step, cached);
      starts.add(start);
      costs.add(cost);
      quote = quote.plus(cost);
    }
    List<Node> made = new ArrayList<>();
    return verb(
        "complete",
        quote,
        horizon(),
        made,
        reservation -> {
          List<Node> ends = new ArrayList<>();
          List<Integer> rows = new ArrayList<>();
          for (int i = 0; i < starts.size(); i++) {
            rows.add(i);
          }
          for (List<Integer> chunk : chunks(rows)) {
            ends.addAll(rollOut(chunk, starts, costs, reservation, made));
          }
          return hold(ends);
        });
  }

  /**
   * Rolls out some rows step by step. Intermediate states live only as long as something depends on
   * them; the tree log shows one edge from the start to the end.
   */
  private List<Node> rollOut(
      List<Integer> rows,
      List<Node> starts,
      List<Cost> costs,
      Ledger.Reservation reservation,
      List<Node> made) {
    List<Step> front = new ArrayList<>();
    for (int row : rows) {
      front.add(new Step(starts.get(row)));
    }
    try {
      boolean moved = true;
      while (moved) {
        moved = false;
        List<Step> due = new ArrayList<>();
        List<Branch> branches = new ArrayList<>();
        long nfe = 0;
        for (Step step : front) {
          if (step.at() < horizon()) {
            due.add(step);
            branches.add(new Branch(step.state(), conditioning, List.of(step.start.noise)));
            nfe += quotes.expand(step.at(), 1, step.chain.isEmpty() && step.start.evaluated).nfe();
          }
        }
        if (!due.isEmpty()) {
          moved = true;
          NativeGate.Measured<List<List<ModelState>>> measured =
              gate.call(model, () -> model.expand(branches));
          try (Arrivals arrivals = new Arrivals("expand", measured.result())) {
            arrivals.requireSize(measured.result(), branches.size());
            for (List<ModelState> states : measured.result()) {
              arrivals.requireSize(states, 1);
            }
            reservation.commit(Phase.GENERATE, measured.generated(nfe));
            for (Step step : due) {
              step.advance(arrivals.next());
            }
          }
        }
      }
      List<Node> ends = new ArrayList<>();
      for (int i = 0; i < rows.size(); i++) {
        Step step = front.get(i);
        if (step.chain.isEmpty()) {
          ends.add(step.start);
        } else {
          ends.add(step.register(costs.get(rows.get(i)), made));
        }
      }
      return ends;
    } catch (RuntimeException e) {
      for (Step step : front) {
        try {
          step.abandon();
        } catch (RuntimeException suppressed) {
          e.addSuppressed(suppressed);
        }
      }
      throw e;
    }
  }

  /**
   * States that a model handed over and nobody owns yet. Closing closes those that were not taken,
   * so that neither a wrong number of results nor a failure half-way leaks one.
   */
  private final class Arrivals implements AutoCloseable {
    private final String call;
    private final Deque<ModelState> waiting = new ArrayDeque<>();

    Arrivals(String call, List<List<ModelState>> states) {
      this.call = call;
      states.forEach(waiting::addAll);
    }

    void requireSize(List<?> result, int expected) {
      DefaultSearchContext.requireSize(card.id(), call, result, expected);
    }

    /** The next state; whoever takes it closes it, whatever happens. */
    ModelState next() {
      return waiting.removeFirst();
    }

    @Override
    public void close() {
      RuntimeException failure = null;
      while (!waiting.isEmpty()) {
        try {
          waiting.removeLast().close();
        } catch (RuntimeException e) {
          if (failure == null) {
            failure = e;
          } else {
            failure.addSuppressed(e);
          }
        }
      }
      if (failure != null) {
        throw failure;
      }
    }
  }

  /** One row of a roll-out: the states after its start, oldest first. */
  private final class Step {
    final Node start;
    final List<ModelState> chain = new ArrayList<>();

    Step(Node start) {
      this.start = start;
    }

    ModelState state() {
      return chain.isEmpty() ? open(start) : chain.get(chain.size() - 1);
    }

    int at() {
      return chain.isEmpty() ? start.step : state().step();
    }

    void advance(ModelState next) {
      if (chain.isEmpty()) {
        start.evaluated = true;
      }
      chain.add(next);
      if (!next.dependsOnParent()) {
        closeAllBut(next);
      }
    }

    /** Hands the chain over to the store, oldest first. */
    Node register(Cost cost, List<Node> made) {
      // Before the first is handed over: a chain must be closed from its end.
      store.requireRoom(chain.size());
      Node node = start;
      while (!chain.isEmpty()) {
        ModelState state = chain.remove(0);
        // The end may still read the states between: they are nodes that nobody holds.
        boolean end = chain.isEmpty();
        node = store.add(node, "complete", state, start.noise, end ? cost : Cost.ZERO);
        node.between = !end;
        made.add(node);
      }
      return node;
    }

    private void closeAllBut(ModelState last) {
      List<ModelState> past = new ArrayList<>(chain.subList(0, chain.size() - 1));
      chain.clear();
      chain.add(last);
      for (int i = past.size() - 1; i >= 0; i--) {
        past.get(i).close();
      }
    }

    void abandon() {
      while (!chain.isEmpty()) {
        chain.remove(chain.size() - 1).close();
      }
    }
  }

  @Override
  public List<Candidate> verify(VerifierRole role, List<Trajectory> batch) {
    Verifier verifier = request.verifiers().get(role);
    if (verifier == null) {
      throw new EspalierException(
          EspalierException.Code.CAPABILITY,
          "The strategy asks for the verifier role (" + role + "), which this search has not.",
          "Maybe set verifiers." + role.name().toLowerCase(java.util.Locale.ROOT) + ".");
    }
    List<Node> nodes = new ArrayList<>();
    Cost quote = Cost.ZERO;
    boolean anyComplete = false;
    for (Trajectory trajectory : batch) {
      Node node = store.require(trajectory);
      if (!node.isComplete()) {
        require(Capability.PREVIEW, "verify of an incomplete trajectory");
      } else {
        anyComplete = true;
      }
      nodes.add(node);
      quote = quote.plus(quotes.judge(role));
      if (node.image == null) {
        quote = quote.plus(quotes.decode(node.step));
      }
    }
    boolean answers = anyComplete && role == VerifierRole.SEARCH;
    return verb(
        "verify",
        quote,
        answers ? horizon() + 1 : -1,
        new ArrayList<>(),
        reservation -> {
          List<Verdict> verdicts = new ArrayList<>();
          for (List<Node> chunk : chunks(nodes)) {
            verdicts.addAll(judge(role, verifier, chunk, reservation));
          }
          // Verdicts take effect together, so that neither a failure half-way nor the size of the
          // engine's batches shows in the incumbent or its curve.
          Node before = best;
          List<Candidate> candidates = new ArrayList<>();
          for (int i = 0; i < nodes.size(); i++) {
            candidates.add(accept(role, nodes.get(i), verdicts.get(i)));
          }
          Node after = best;
          if (after != null && after != before) {
            curve.add(new IncumbentPoint(ledger.spent(), after.id, score(after)));
          }
          return candidates;
        });
  }

  @Override
  public List<float[]> features(List<Trajectory> batch) {
    List<Node> nodes = new ArrayList<>();
    Set<Node> willBeDecoded = Collections.newSetFromMap(new IdentityHashMap<>());
    Cost quote = Cost.ZERO;
    for (Trajectory trajectory : batch) {
      Node node = store.require(trajectory);
      if (!node.isComplete()) {
        require(Capability.PREVIEW, "features of an incomplete trajectory");
      }
      nodes.add(node);
      if (node.image == null && willBeDecoded.add(node)) {
        quote = quote.plus(quotes.decode(node.step));
      }
    }
    return verb(
        "features",
        quote,
        -1,
        new ArrayList<>(),
        reservation -> {
          List<float[]> features = new ArrayList<>();
          for (List<Node> chunk : chunks(nodes)) {
            List<Artifact> artifacts = new ArrayList<>();
            try {
              decode(chunk, reservation, artifacts);
            } finally {
              artifacts.forEach(Artifact::close);
            }
          }
          for (Node node : nodes) {
            RgbImage image = node.image;
            if (image == null) {
              throw new AssertionError("an image was decoded and is not there");
            }
            features.add(Thumbnail.of(image));
          }
          return features;
        });
  }

  /** Decodes those of some rows that have no image yet; the caller closes the artifacts. */
  private Map<Node, Artifact> decode(
      List<Node> chunk, Ledger.Reservation reservation, List<Artifact> artifacts) {
    Map<Node, Artifact> byNode = new IdentityHashMap<>();
    List<Node> undecoded = new ArrayList<>();
    Set<Node> seen = Collections.newSetFromMap(new IdentityHashMap<>());
    for (Node node : chunk) {
      if (node.image == null && seen.add(node)) {
        undecoded.add(node);
      }
    }
    if (!undecoded.isEmpty()) {
      List<DecodeRow> rows = new ArrayList<>();
      undecoded.forEach(node -> rows.add(new DecodeRow(open(node), conditioning)));
      NativeGate.Measured<List<Artifact>> measured = gate.call(model, () -> model.decode(rows));
      artifacts.addAll(measured.result());
      requireSize(card.id(), "decode", artifacts, rows.size());
      reservation.commit(
          Phase.DECODE,
          // A preview may have needed the network: its rows count, its nfe by the quote.
          new Cost(
              undecoded.stream().mapToLong(node -> quotes.decode(node.step).nfe()).sum(),
              measured.work().rows(),
              measured.work().tokens(),
              measured.work().flops(),
              undecoded.size(),
              0,
              0,
              measured.nanos()));
      for (int i = 0; i < undecoded.size(); i++) {
        Node node = undecoded.get(i);
        byNode.put(node, artifacts.get(i));
        node.image = artifacts.get(i).image();
        if (!node.isComplete() && quotes.decode(node.step).rows() > 0) {
          // This preview took the evaluation that an expansion needs; the model keeps it.
          node.evaluated = true;
        }
      }
    }
    return byNode;
  }

  private List<Verdict> judge(
      VerifierRole role, Verifier verifier, List<Node> chunk, Ledger.Reservation reservation) {
    List<Artifact> artifacts = new ArrayList<>();
    try {
      Map<Node, Artifact> byNode = decode(chunk, reservation, artifacts);
      List<Judgement> judgements = new ArrayList<>();
      for (Node node : chunk) {
        Artifact artifact = byNode.get(node);
        RgbImage image = node.image;
        if (artifact == null && image != null) {
          artifact = Artifact.of(image);
        }
        if (artifact == null) {
          throw new AssertionError("an image was decoded and is not there");
        }
        judgements.add(new Judgement(request.id() + "/" + node.id, prompt(), artifact));
      }
      NativeGate.Measured<List<Verdict>> measured =
          gate.call(verifier, () -> verifier.verify(judgements));
      requireSize(verifier.card().id(), "verify", measured.result(), chunk.size());
      Cost charged = quotes.judge(role).times(chunk.size());
      reservation.commit(
          Phase.VERIFY,
          new Cost(
              0, 0, 0, 0, 0, charged.verifierCalls(), measured.work().flops(), measured.nanos()));
      return measured.result();
    } finally {
      artifacts.forEach(Artifact::close);
    }
  }

  private Candidate accept(VerifierRole role, Node node, Verdict verdict) {
    node.verdicts.put(role, verdict);
    RgbImage image = node.image;
    if (image != null) {
      request.options().listener().verified(node.id, role, image, verdict);
      if (role == VerifierRole.SEARCH && node.isComplete()) {
        challenge(node, image, verdict);
      }
    }
    return new Candidate(node, verdict);
  }

  private void challenge(Node node, RgbImage image, Verdict verdict) {
    if (verdict instanceof Verdict.Scored scored) {
      Node current = best;
      if (current == null || scored.value() > score(current)) {
        store.pin(node);
        best = node;
        bestImage = image;
        if (current != null) {
          store.release(current);
        }
        Node pinned = escrowed;
        if (pinned != null) {
          escrowed = null;
          store.release(pinned);
        }
      }
    }
  }

  private static double score(Node node) {
    return node.verdicts.get(VerifierRole.SEARCH) instanceof Verdict.Scored scored
        ? scored.value()
        : Double.NEGATIVE_INFINITY;
  }

  @Override
  public void retainOnly(Collection<Trajectory> keep) {
    requireUsable();
    List<Node> survivors = new ArrayList<>();
    keep.forEach(trajectory -> survivors.add(store.require(trajectory)));
    store.retainOnly(survivors);
  }

  @Override
  public Optional<Candidate> incumbent() {
    Node node = best;
    if (node == null) {
      return Optional.empty();
    }
    Verdict verdict = node.verdicts.get(VerifierRole.SEARCH);
    if (verdict == null) {
      throw new AssertionError("an incumbent has no verdict");
    }
    return Optional.of(new Candidate(node, verdict));
  }

  @Override
  public void annotate(Trajectory trajectory, Map<String, Double> facts) {
    requireUsable();
    facts.forEach(
        (name, value) -> {
          if (!Double.isFinite(value)) {
            throw new EspalierException(
                EspalierException.Code.PLUGIN_CONTRACT,
                "The fact (%s = %s) noted of %s is not finite.".formatted(name, value, trajectory),
                "Maybe leave it out.");
          }
        });
    node(trajectory).facts.putAll(facts);
  }

  @Override
  public void prune(Collection<Trajectory> trajectories, String reason) {
    trajectories.forEach(trajectory -> node(trajectory).pruned = reason);
  }

  /** The node of a handle of this search, dropped or not. */
  private Node node(Trajectory trajectory) {
    if (trajectory instanceof Node node && node.store == store) {
      return node;
    }
    return store.require(trajectory);
  }

  // ---------------------------------------------------------------- the engine's own side

  StateStore store() {
    return store;
  }

  List<IncumbentPoint> curve() {
    return curve;
  }

  /** Closes every state; the context is of no use afterwards. */
  void end() {
    ended = true;
    store.closeAll();
  }

  @Nullable Node best() {
    return best;
  }

  @Nullable RgbImage bestImage() {
    return bestImage;
  }

  /** Finishes the cheapest trajectory from escrow, so that the search has an answer. */
  void finishFromEscrow() {
    Node node = escrowed;
    Trajectory start;
    if (node == null) {
      start = begin(List.of(Draw.fresh(stream("sample").child(0)))).get(0);
    } else {
      store.hold(node);
      start = node;
    }
    verify(VerifierRole.SEARCH, complete(List.of(start)));
  }

  /** The image of a verified node: cached, or decoded again outside the account. */
  RgbImage imageOf(Node node) {
    RgbImage image = node.image;
    if (image != null) {
      return image;
    }
    List<Artifact> artifacts =
        gate.call(model, () -> model.decode(List.of(new DecodeRow(open(node), conditioning))))
            .result();
    try {
      return artifacts.get(0).image();
    } finally {
      artifacts.forEach(Artifact::close);
    }
  }

  @FunctionalInterface
  private interface Body<T> {
    T run(Ledger.Reservation reservation);
  }

  /**
   * Runs a charged verb: admits it, runs it, and on failure undoes what it made.
   *
   * @param reaches the furthest step that the verb reaches, horizon + 1 if it verifies complete
   *     samples, -1 if it reaches nothing new: it decides what must be held back afterwards
   */
  private <T> T verb(String name, Cost quote, int reaches, List<Node> made, Body<T> body) {
    requireUsable();
    Double seconds = request.budget().caps().get(ComputeUnit.SECONDS);
    if (seconds != null
        && best != null
        && (request.options().nanoTime().getAsLong() - startNanos) * 1e-9 > seconds) {
      throw refuse(
          new BudgetExhaustedException(
              "The call %s was refused: the cap of %s seconds has passed."
                  .formatted(name, Ledger.number(seconds))));
    }
    Ledger.Reservation reserved;
    try {
      reserved = ledger.reserve(name, quote, escrow(reaches));
    } catch (BudgetExhaustedException e) {
      throw refuse(e);
    }
    try (Ledger.Reservation reservation = reserved) {
      T result = body.run(reservation);
      if (best == null) {
        made.forEach(this::consider);
      }
      return result;
    } catch (RuntimeException e) {
      try {
        store.discard(made);
      } catch (RuntimeException suppressed) {
        e.addSuppressed(suppressed);
      }
      throw e;
    }
  }

  /** Counts a refusal; a strategy that swallows them all would never end. */
  private EspalierException refuse(BudgetExhaustedException refusal) {
    if (++refusals > MAX_REFUSALS) {
      return new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          "The strategy (%s) went on after %d refused calls."
              .formatted(request.strategy().card().id(), MAX_REFUSALS),
          "Maybe let BudgetExhaustedException pass: the engine answers with the incumbent.",
          refusal);
    }
    return refusal;
  }

  private void requireUsable() {
    if (ended) {
      throw new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          "The search (" + request.id() + ") has ended and its context was used.",
          "Maybe keep the context on the stack of SearchStrategy.search.");
    }
    if (Thread.currentThread() != owner) {
      throw new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          "The context of the search (" + request.id() + ") was used by another thread.",
          "Maybe hand whole batches to the verbs: the engine batches.");
    }
  }

  /** What must remain after a verb that reaches a step, so that one sample can be finished. */
  private Cost escrow(int reaches) {
    if (best != null || reaches > store.horizon) {
      return Cost.ZERO;
    }
    Cost least = quotes.sample();
    if (reaches >= 0) {
      least = cheaper(least, quotes.finish(reaches));
    }
    Node node = escrowed;
    if (node != null) {
      least = cheaper(least, quotes.finish(node.step));
    }
    return least;
  }

  private Cost cheaper(Cost a, Cost b) {
    // Compared in every unit: a tie in the budget's own must not hold back more of a capped one.
    if (b.within(a)) {
      return b;
    }
    ComputeUnit unit = request.budget().unit();
    return a.within(b) || unit.of(a) <= unit.of(b) ? a : b;
  }

  private void consider(Node node) {
    Node current = escrowed;
    if (node.state != null && (current == null || node.step > current.step)) {
      store.pin(node);
      escrowed = node;
      if (current != null) {
        store.release(current);
      }
    }
  }

  private List<Trajectory> hold(List<Node> nodes) {
    nodes.forEach(store::hold);
    return new ArrayList<>(nodes);
  }

  private ModelState open(Node node) {
    ModelState state = node.state;
    if (state == null) {
      throw new AssertionError("the state of " + node + " is closed");
    }
    return state;
  }

  private <T> List<List<T>> chunks(List<T> rows) {
    int size = request.options().batch();
    List<List<T>> chunks = new ArrayList<>();
    for (int from = 0; from < rows.size(); from += size) {
      chunks.add(rows.subList(from, Math.min(rows.size(), from + size)));
    }
    return chunks;
  }

  private void require(Capability capability, String verb) {
    if (!card.capabilities().contains(capability)) {
      throw new EspalierException(
          EspalierException.Code.CAPABILITY,
          "The model (%s) has not the capability %s that %s needs."
              .formatted(card.id(), capability, verb),
          "Maybe choose another strategy or sampler.");
    }
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

  /** One child's share of an expansion: its own draw, and the evaluation on the first child. */
  private static Cost share(Cost whole, int children, int child) {
    long nfe = whole.nfe() / children + (child < whole.nfe() % children ? 1 : 0);
    return child == 0
        ? Cost.generate(nfe, whole.rows(), whole.tokens(), whole.flops())
        : Cost.generate(nfe, 0, 0, 0);
  }

  private Noise resolve(Draw draw, @Nullable Node parent) {
    if (draw instanceof Draw.Fresh fresh) {
      return new Noise.Keyed(fresh.key());
    }
    if (draw instanceof Draw.Near near) {
      return new Noise.Blend(resolve(near.pivot(), parent), near.direction(), near.radius());
    }
    if (draw instanceof Draw.Mode) {
      return new Noise.Mode();
    }
    if (parent == null) {
      throw new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          "A root or a rewound trajectory has no noise to follow.",
          "Maybe use Draw.fresh(context.stream(\"sample\").child(i)).");
    }
    return parent.noise;
  }
}
