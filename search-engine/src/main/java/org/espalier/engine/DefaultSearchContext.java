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
import org.espalier.spi.Closing;
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
    this.card = NativeGate.guard(request.id(), "card", request.model()::card);
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
        return ledger.remaining(incumbent.escrow(quotes.sample()));
      }

      @Override
      public double progress() {
        return Math.min(1, request.budget().unit().of(ledger.spent()) / request.budget().limit());
      }

      @Override
      public boolean affords(Cost quote) {
        // The work asked about is itself the finishing of a sample, so nothing is held back.
        return ledger.admits(quote, Cost.ZERO);
      }

      @Override
      public boolean spares(Cost quote) {
        return ledger.admits(quote, incumbent.escrow(quotes.sample()));
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
        quotes.finish(0, false),
        made,
        reservation -> {
          for (Range chunk : chunks(noises.size())) {
            List<Noise> rows = chunk.of(noises);
            List<Root> roots = new ArrayList<>(rows.size());
            rows.forEach(noise -> roots.add(new Root(calls.conditioning, noise)));
            try (Arrivals arrivals = calls.begin(roots, each.times(rows.size()), reservation)) {
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
        quotes.finish(furthest, false),
        made,
        reservation -> {
          List<List<Trajectory>> result = new ArrayList<>(batch.size());
          for (Range chunk : chunks(parents.size())) {
            List<Branch> branches = new ArrayList<>(chunk.size());
            Cost chunkCost = Cost.ZERO;
            for (int row = chunk.from(); row < chunk.to(); row++) {
              branches.add(
                  new Branch(parents.get(row).open(), calls.conditioning, noises.get(row)));
              chunkCost = chunkCost.plus(costs.get(row));
            }
            try (Arrivals arrivals = calls.expand(branches, chunkCost, reservation)) {
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
        quotes.finish(furthest, false),
        made,
        reservation -> {
          for (Range chunk : chunks(all.size())) {
            Cost chunkCost = Cost.ZERO;
            for (int row = chunk.from(); row < chunk.to(); row++) {
              chunkCost = chunkCost.plus(costs.get(row));
            }
            try (Arrivals arrivals = calls.rewind(chunk.of(all), chunkCost, reservation)) {
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
        quotes.finish(horizon(), false),
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
    Verifier verifier =
        Pairing.requireRole(
            request.verifiers(), role, "The strategy (" + request.strategy().card().id() + ")");
    List<Node> nodes = new ArrayList<>();
    // Up to and with each: what the incumbent's curve says of it.
    List<Cost> upTo = new ArrayList<>();
    Cost quote = Cost.ZERO;
    boolean anyComplete = false;
    int pass = ++passes;
    for (Trajectory trajectory : batch) {
      Node node = store.require(trajectory);
      if (!node.isComplete()) {
        require(Capability.PREVIEW, "verify of an incomplete trajectory");
      } else {
        anyComplete = true;
      }
      nodes.add(node);
      quote = quote.plus(quotes.judge(role));
      if (node.image == null && node.isFirstIn(pass)) {
        quote = quote.plus(quotes.decode(node.step));
      }
      upTo.add(quote);
    }
    boolean answers = anyComplete && role == VerifierRole.SEARCH;
    return verb(
        "verify",
        quote,
        answers ? Cost.ZERO : looked(nodes),
        new ArrayList<>(),
        reservation -> {
          Cost before = ledger.spent();
          List<Verdict> verdicts = new ArrayList<>(nodes.size());
          for (Range chunk : chunks(nodes.size())) {
            verdicts.addAll(judging.judge(role, verifier, chunk.of(nodes), reservation));
          }
          // Verdicts take effect after all are there, so that neither a failure half-way nor the
          // size of the engine's batches shows in the incumbent or its curve; and one by one, so
          // that the curve has a point for each.
          List<Candidate> candidates = new ArrayList<>(nodes.size());
          for (int i = 0; i < nodes.size(); i++) {
            Cost spent = ledger.spent();
            if (i < nodes.size() - 1) {
              long nanos = spent.wallNanos();
              Cost soFar = before.plus(upTo.get(i)).atMost(spent.withWallNanos(Long.MAX_VALUE));
              long first = before.wallNanos();
              spent = soFar.withWallNanos(first + (nanos - first) / nodes.size() * (i + 1));
            }
            RgbImage image = nodes.get(i).decoded();
            nodes.get(i).judged(role, verdicts.get(i));
            request.options().listener().verified(nodes.get(i).id, role, image, verdicts.get(i));
            candidates.add(offer(role, nodes.get(i), image, verdicts.get(i), spent));
          }
          return candidates;
        });
  }

  @Override
  public List<Candidate> sample(List<? extends Draw> draws) {
    Verifier verifier =
        Pairing.requireRole(
            request.verifiers(),
            VerifierRole.SEARCH,
            "The strategy (" + request.strategy().card().id() + ")");
    List<Noise> noises = new ArrayList<>(draws.size());
    for (Draw draw : draws) {
      noises.add(resolve(draw, null));
    }
    Cost each = quotes.sample();
    List<Node> made = new ArrayList<>();
    BudgetExhaustedException[] late = new BudgetExhaustedException[1];
    List<Candidate> candidates =
        verb(
            "sample",
            each.times(noises.size()),
            Cost.ZERO,
            made,
            reservation -> {
              Cost before = ledger.spent();
              List<Offer> offers = new ArrayList<>();
              double best = incumbent.best() == null ? Double.NEGATIVE_INFINITY : score();
              for (Range chunk : chunks(noises.size())) {
                late[0] = chunk.from() == 0 ? null : late("sample", best);
                if (late[0] != null) {
                  break;
                }
                List<Node> ends = rollOut(chunk.of(noises), reservation, made);
                List<Verdict> verdicts =
                    judging.judge(VerifierRole.SEARCH, verifier, ends, reservation);
                for (int i = 0; i < ends.size(); i++) {
                  Node end = ends.get(i);
                  Verdict verdict = verdicts.get(i);
                  end.judged(VerifierRole.SEARCH, verdict);
                  request
                      .options()
                      .listener()
                      .verified(end.id, VerifierRole.SEARCH, end.decoded(), verdict);
                  boolean better =
                      verdict instanceof Verdict.Scored scored && scored.value() > best;
                  best = better ? end.score() : best;
                  offers.add(new Offer(end, verdict, better ? end.decoded() : null));
                }
                // Each is free as soon as it is judged: only images of possible answers are kept.
                store.discard(made);
                made.clear();
              }
              Cost spent = ledger.spent();
              List<Candidate> result = new ArrayList<>();
              for (int i = 0; i < offers.size(); i++) {
                Offer offer = offers.get(i);
                long nanos = spent.wallNanos() - before.wallNanos();
                Cost point =
                    i == offers.size() - 1
                        ? spent
                        : before
                            .plus(each.times(i + 1))
                            .atMost(spent)
                            .withWallNanos(before.wallNanos() + nanos / offers.size() * (i + 1));
                result.add(
                    offer(VerifierRole.SEARCH, offer.end, offer.image, offer.verdict, point));
              }
              return result;
            });
    if (late[0] != null) {
      throw refuse(late[0]);
    }
    return candidates;
  }

  /** A judged sample, with its image where it may become the incumbent. */
  private record Offer(Node end, Verdict verdict, @Nullable RgbImage image) {}

  private double score() {
    Node best = incumbent.best();
    return best == null ? Double.NEGATIVE_INFINITY : best.score();
  }

  /** Rolls out new roots; the nodes made are held by nobody. */
  private List<Node> rollOut(List<Noise> noises, Ledger.Reservation reservation, List<Node> made) {
    List<Root> roots = new ArrayList<>(noises.size());
    noises.forEach(noise -> roots.add(new Root(calls.conditioning, noise)));
    RollOut rollOut = new RollOut(calls, quotes, store);
    try (Arrivals arrivals = calls.begin(roots, quotes.begin().times(roots.size()), reservation)) {
      for (Noise noise : noises) {
        rollOut.addRoot(arrivals.next(), noise);
      }
    }
    return rollOut.run(reservation, made);
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
        looked(nodes),
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

  /** Lets a verdict take effect. */
  private Candidate offer(
      VerifierRole role, Node node, @Nullable RgbImage image, Verdict verdict, Cost spent) {
    if (role == VerifierRole.SEARCH
        && image != null
        && node.isComplete()
        && verdict instanceof Verdict.Scored) {
      Node before = incumbent.best();
      incumbent.challenge(node, image);
      incumbent.record(before, spent);
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

  /** What it takes to finish a sample from trajectories after they have been looked at. */
  private Cost looked(List<Node> nodes) {
    Cost least = quotes.sample();
    for (Node node : nodes) {
      boolean evaluated = node.evaluated || quotes.decode(node.step).rows() > 0;
      least = incumbent.cheaper(least, quotes.finish(node.step, evaluated));
    }
    return least;
  }

  /**
   * Runs a charged verb: admits it, runs it, and on failure undoes what it made.
   *
   * @param finish what it takes to finish a sample from what the verb gives, of which the cheapest
   *     way must be held back: nothing if it verifies complete samples
   */
  private <T> T verb(String name, Cost quote, Cost finish, List<Node> made, Body<T> body) {
    requireUsable();
    BudgetExhaustedException late = late(name, score());
    if (late != null) {
      throw refuse(late);
    }
    Ledger.Reservation reserved;
    try {
      reserved = ledger.reserve(name, quote, incumbent.escrow(finish));
    } catch (BudgetExhaustedException e) {
      throw refuse(e);
    }
    try (Ledger.Reservation reservation = reserved) {
      T result = body.run(reservation);
      incumbent.consider(made);
      return result;
    } catch (RuntimeException | Error e) {
      Closing.after(List.of(() -> store.discard(made)), e);
      throw e;
    }
  }

  /**
   * The refusal of a call after the time that a cap allows, if it has passed: this search's own
   * time, without what it waited for others.
   *
   * @param best the best score so far; without one the search goes on
   */
  private @Nullable BudgetExhaustedException late(String name, double best) {
    Double seconds = request.budget().caps().get(ComputeUnit.SECONDS);
    if (seconds == null || best == Double.NEGATIVE_INFINITY) {
      return null;
    }
    long own = request.options().nanoTime().getAsLong() - startNanos - calls.waitNanos();
    return own * 1e-9 <= seconds
        ? null
        : new BudgetExhaustedException(
            "The call %s was refused: the cap of %s seconds has passed."
                .formatted(name, Ledger.number(seconds)));
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
          "The model (%s) lacks the capability %s, which %s needs."
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
