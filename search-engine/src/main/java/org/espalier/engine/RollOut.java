package org.espalier.engine;

import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import org.espalier.api.Noise;
import org.espalier.compute.Cost;
import org.espalier.spi.Branch;
import org.espalier.spi.ModelState;
import org.jspecify.annotations.Nullable;

/**
 * Rolls out some trajectories together, step by step. Intermediate states live only as long as
 * something depends on them; the tree log shows one edge from the start to the end.
 */
final class RollOut {
  private final ModelCalls calls;
  private final DefaultQuotes quotes;
  private final StateStore store;
  private final List<Row> rows = new ArrayList<>();

  RollOut(ModelCalls calls, DefaultQuotes quotes, StateStore store) {
    this.calls = calls;
    this.quotes = quotes;
    this.store = store;
  }

  /**
   * Adds a row.
   *
   * @param start where it begins
   * @param cost what the tree log says of it
   */
  void add(Node start, Cost cost) {
    rows.add(new Row(start, start.open(), start.noise, cost));
  }

  /**
   * Adds a row from a root that is no node yet, and becomes one with the row's end, so that the
   * numbers of nodes do not depend on how many rows are rolled out together.
   *
   * @param root its state, which this closes on failure
   * @param noise of the sample
   */
  void addRoot(ModelState root, Noise noise) {
    rows.add(new Row(null, root, noise, quotes.complete(0)));
  }

  /**
   * Runs to the end; on failure closes every state that the store does not own yet.
   *
   * @param made receives every node registered
   * @return the ends, in the order of rows
   */
  List<Node> run(Ledger.Reservation reservation, List<Node> made) {
    try {
      while (step(reservation)) {
        // Until every row is complete.
      }
      List<Node> ends = new ArrayList<>();
      for (Row row : rows) {
        ends.add(row.register(made));
      }
      return ends;
    } catch (RuntimeException e) {
      for (Row row : rows) {
        try {
          row.abandon();
        } catch (RuntimeException suppressed) {
          e.addSuppressed(suppressed);
        }
      }
      throw e;
    }
  }

  /** Advances the rows that are not complete; false if all are. */
  private boolean step(Ledger.Reservation reservation) {
    List<Row> due = new ArrayList<>();
    List<Branch> branches = new ArrayList<>();
    Set<ModelState> expanded = Collections.newSetFromMap(new IdentityHashMap<>());
    Cost quote = Cost.ZERO;
    for (Row row : rows) {
      int at = row.at();
      if (at < store.horizon) {
        due.add(row);
        ModelState state = row.state();
        branches.add(new Branch(state, calls.conditioning, List.of(row.noise)));
        quote = quote.plus(quotes.expand(at, 1, row.evaluated() || !expanded.add(state)));
      }
    }
    if (due.isEmpty()) {
      return false;
    }
    try (Arrivals arrivals = calls.expand(branches, quote, reservation)) {
      for (Row row : due) {
        row.advance(arrivals.next());
      }
    }
    return true;
  }

  /** One row: the states after its start, oldest first. */
  private final class Row {
    /** Null for a root that is no node yet. */
    final @Nullable Node start;

    final ModelState first;
    final Noise noise;
    final Cost cost;
    final List<ModelState> chain = new ArrayList<>();

    Row(@Nullable Node start, ModelState first, Noise noise, Cost cost) {
      this.start = start;
      this.first = first;
      this.noise = noise;
      this.cost = cost;
    }

    ModelState state() {
      return chain.isEmpty() ? first : chain.get(chain.size() - 1);
    }

    int at() {
      return state().step();
    }

    /** Whether the model holds the evaluation of the state. */
    boolean evaluated() {
      return chain.isEmpty() && start != null && start.evaluated;
    }

    void advance(ModelState next) {
      if (chain.isEmpty() && start != null) {
        start.evaluated = true;
      }
      chain.add(next);
      if (!next.dependsOnParent()) {
        closeAllBut(next);
      }
    }

    /** Hands the chain over to the store, oldest first; the start itself if it was complete. */
    Node register(List<Node> made) {
      // Before the first is handed over: a chain must be closed from its end.
      store.requireRoom(chain.size() + (start == null ? 1 : 0));
      Node node = start;
      if (node == null) {
        rooted = true;
        node = store.add(null, "begin", first, noise, quotes.begin());
        made.add(node);
      }
      while (!chain.isEmpty()) {
        ModelState state = chain.remove(0);
        // The end may still read the states between: they are nodes that nobody holds.
        boolean end = chain.isEmpty();
        node = store.add(node, "complete", state, noise, end ? cost : Cost.ZERO);
        node.between = !end;
        made.add(node);
      }
      return node;
    }

    /** Whether the root belongs to the store. */
    private boolean rooted;

    private void closeAllBut(ModelState last) {
      List<ModelState> past = new ArrayList<>(chain.subList(0, chain.size() - 1));
      chain.clear();
      chain.add(last);
      for (int i = past.size() - 1; i >= 0; i--) {
        past.get(i).close();
      }
    }

    void abandon() {
      List<ModelState> open = new ArrayList<>(chain);
      chain.clear();
      if (start == null && !rooted) {
        rooted = true;
        open.add(0, first);
      }
      new Arrivals(open).close();
    }
  }
}
