package org.espalier.engine;

import java.util.ArrayList;
import java.util.Collection;
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
import org.espalier.api.Noise;
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
import org.espalier.spi.Branch;
import org.espalier.spi.Conditioning;
import org.espalier.spi.ModelCard;
import org.espalier.spi.RewindRow;
import org.espalier.spi.RgbImage;
import org.espalier.spi.Root;
import org.espalier.spi.Verifier;
import org.jspecify.annotations.Nullable;

/** The gate through which one search reaches its model and verifiers. */
final class DefaultSearchContext implements SearchContext {
  private static final int MAX_REFUSALS = 10_000;

  private final SearchRequest request;
  private final ModelCard card;
  private final Ledger ledger;
  private final DefaultQuotes quotes;
  private final ModelCalls calls;
  private final Judging judging;
  private final StateStore store;
  private final Incumbent incumbent;
  private final DrawKey promptKey;
  private final long startNanos;
  private final Thread owner = Thread.currentThread();
  private int refusals;

  /** Batches in which rows may repeat; see {@link Node#isFirstIn}. */
  private int passes;

  private boolean ended;

  DefaultSearchContext(
      SearchRequest request,
      Conditioning conditioning,
      Ledger ledger,
      DefaultQuotes quotes,
      NativeGate gate,
      long startNanos) {
    this.request = request;
    this.card = request.model().card();
    this.ledger = ledger;
    this.quotes = quotes;
    this.calls = new ModelCalls(request.model(), conditioning, gate);
    this.judging = new Judging(request, calls, quotes, gate);
    this.store = new StateStore(card.horizon(), request.options().maxTrajectories());
    this.incumbent = new Incumbent(request.budget(), quotes, store);
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
        return ledger.remaining(incumbent.escrow(-1));
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
          for (Range chunk : chunks(noises.size())) {
            List<Noise> rows = chunk.of(noises);
            List<Root> roots = new ArrayList<>(rows.size());
            rows.forEach(noise -> roots.add(new Root(calls.conditioning, noise)));
            try (Arrivals arrivals = calls.begin(roots, each.nfe() * rows.size(), reservation)) {
              for (Noise noise : rows) {
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
    int pass = ++passes;
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
      List<Draw> draws = expansion.draws();
      List<Noise> children =
          draws.size() == 1
              ? List.of(resolve(draws.get(0), parent))
              : draws.stream().map(draw -> resolve(draw, parent)).toList();
      parents.add(parent);
      noises.add(children);
      boolean cached = parent.evaluated || !parent.isFirstIn(pass);
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
          for (Range chunk : chunks(parents.size())) {
            List<Branch> branches = new ArrayList<>(chunk.size());
            long nfe = 0;
            for (int row = chunk.from(); row < chunk.to(); row++) {
              branches.add(
                  new Branch(parents.get(row).open(), calls.conditioning, noises.get(row)));
              nfe += costs.get(row).nfe();
            }
            try (Arrivals arrivals = calls.expand(branches, nfe, reservation)) {
              for (int row = chunk.from(); row < chunk.to(); row++) {
                Node parent = parents.get(row);
                parent.evaluated = true;
                List<Noise> draws = noises.get(row);
                List<Trajectory> children = new ArrayList<>(draws.size());
                for (int c = 0; c < draws.size(); c++) {
                  Cost share = share(costs.get(row), draws.size(), c);
                  Node child = store.add(parent, "expand", arrivals.next(), draws.get(c), share);
                  made.add(child);
                  store.hold(child);
                  children.add(child);
                }
                result.add(children);
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
    List<Cost> costs = new ArrayList<>();
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
          new RewindRow(
              origin.open(), calls.conditioning, rewind.toStep(), resolve(rewind.draw(), null)));
      Cost cost = quotes.rewind(origin.step, rewind.toStep());
      costs.add(cost);
      quote = quote.plus(cost);
      furthest = Math.max(furthest, rewind.toStep());
    }
    List<Node> made = new ArrayList<>();
    return verb(
        "rewind",
        quote,
        furthest,
        made,
        reservation -> {
          for (Range chunk : chunks(all.size())) {
            long nfe = 0;
            for (int row = chunk.from(); row < chunk.to(); row++) {
              nfe += costs.get(row).nfe();
            }
            try (Arrivals arrivals = calls.rewind(chunk.of(all), nfe, reservation)) {
              for (int row = chunk.from(); row < chunk.to(); row++) {
                Noise noise = all.get(row).noise();
                made.add(
                    store.add(origins.get(row), "rewind", arrivals.next(), noise, costs.get(row)));
              }
            }
          }
          return hold(made);
        });
  }

  @Override
  public List<Trajectory> complete(List<Trajectory> batch) {
    List<Node> starts = new ArrayList<>();
    int pass = ++passes;
    List<Cost> costs = new ArrayList<>();
    Cost quote = Cost.ZERO;
    for (Trajectory trajectory : batch) {
      Node start = store.require(trajectory);
      boolean cached = start.evaluated || !start.isFirstIn(pass);
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
          List<Node> ends = new ArrayList<>(starts.size());
          for (Range chunk : chunks(starts.size())) {
            RollOut rollOut = new RollOut(calls, quotes, store);
            for (int row = chunk.from(); row < chunk.to(); row++) {
              rollOut.add(starts.get(row), costs.get(row));
            }
            ends.addAll(rollOut.run(reservation, made));
          }
          return hold(ends);
        });
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
          List<Verdict> verdicts = new ArrayList<>(nodes.size());
          for (Range chunk : chunks(nodes.size())) {
            verdicts.addAll(judging.judge(role, verifier, chunk.of(nodes), reservation));
          }
          // Verdicts take effect together, so that neither a failure half-way nor the size of the
          // engine's batches shows in the incumbent or its curve.
          Node before = incumbent.best();
          List<Candidate> candidates = new ArrayList<>(nodes.size());
          for (int i = 0; i < nodes.size(); i++) {
            candidates.add(accept(role, nodes.get(i), verdicts.get(i)));
          }
          incumbent.record(before, ledger.spent());
          return candidates;
        });
  }

  @Override
  public List<float[]> features(List<Trajectory> batch) {
    List<Node> nodes = new ArrayList<>();
    int pass = ++passes;
    Cost quote = Cost.ZERO;
    for (Trajectory trajectory : batch) {
      Node node = store.require(trajectory);
      if (!node.isComplete()) {
        require(Capability.PREVIEW, "features of an incomplete trajectory");
      }
      nodes.add(node);
      if (node.image == null && node.isFirstIn(pass)) {
        quote = quote.plus(quotes.decode(node.step));
      }
    }
    return verb(
        "features",
        quote,
        -1,
        new ArrayList<>(),
        reservation -> {
          for (Range chunk : chunks(nodes.size())) {
            judging.decode(chunk.of(nodes), reservation);
          }
          List<float[]> features = new ArrayList<>(nodes.size());
          nodes.forEach(node -> features.add(Thumbnail.of(node.decoded())));
          return features;
        });
  }

  private Candidate accept(VerifierRole role, Node node, Verdict verdict) {
    node.judged(role, verdict);
    RgbImage image = node.decoded();
    request.options().listener().verified(node.id, role, image, verdict);
    if (role == VerifierRole.SEARCH && node.isComplete() && verdict instanceof Verdict.Scored) {
      incumbent.challenge(node, image);
    }
    return new Candidate(node, verdict);
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
    return Optional.ofNullable(incumbent.best()).map(Node::candidate);
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
    node(trajectory).note(facts);
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

  Incumbent found() {
    return incumbent;
  }

  /** Closes every state; the context is of no use afterwards. */
  void end() {
    ended = true;
    store.closeAll();
  }

  /** Finishes the cheapest trajectory from escrow, so that the search has an answer. */
  void finishFromEscrow() {
    Node node = incumbent.escrowed();
    Trajectory start;
    if (node == null) {
      start = begin(List.of(Draw.fresh(stream("sample").child(0)))).get(0);
    } else {
      store.hold(node);
      start = node;
    }
    verify(VerifierRole.SEARCH, complete(List.of(start)));
  }

  /** The image of a verified node: kept, or decoded again outside the account. */
  RgbImage imageOf(Node node) {
    return judging.imageOf(node);
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
        && incumbent.best() != null
        && (request.options().nanoTime().getAsLong() - startNanos) * 1e-9 > seconds) {
      throw refuse(
          new BudgetExhaustedException(
              "The call %s was refused: the cap of %s seconds has passed."
                  .formatted(name, Ledger.number(seconds))));
    }
    Ledger.Reservation reserved;
    try {
      reserved = ledger.reserve(name, quote, incumbent.escrow(reaches));
    } catch (BudgetExhaustedException e) {
      throw refuse(e);
    }
    try (Ledger.Reservation reservation = reserved) {
      T result = body.run(reservation);
      incumbent.consider(made);
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

  private List<Trajectory> hold(List<Node> nodes) {
    nodes.forEach(store::hold);
    return new ArrayList<>(nodes);
  }

  /** Rows that go through the model or verifier together. */
  private record Range(int from, int to) {
    int size() {
      return to - from;
    }

    <T> List<T> of(List<T> rows) {
      return rows.subList(from, to);
    }
  }

  private List<Range> chunks(int rows) {
    int size = request.options().batch();
    List<Range> chunks = new ArrayList<>();
    for (int from = 0; from < rows; from += size) {
      chunks.add(new Range(from, Math.min(rows, from + size)));
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

  /** One child's share of an expansion: its own draw, and the evaluation on the first child. */
  private static Cost share(Cost whole, int children, int child) {
    if (children == 1) {
      return whole;
    }
    long nfe = whole.nfe() / children + (child < whole.nfe() % children ? 1 : 0);
    return child == 0
        ? Cost.generate(nfe, whole.rows(), whole.tokens(), whole.flops())
        : Cost.generate(nfe, 0, 0, 0);
  }

  private static Noise resolve(Draw draw, @Nullable Node parent) {
    if (!(draw instanceof Draw.Follow)) {
      return Noise.of(draw);
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
