package org.espalier.engine;

import java.util.ArrayList;
import java.util.List;
import org.espalier.compute.Cost;
import org.espalier.spi.Branch;
import org.espalier.spi.ModelState;

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
    rows.add(new Row(start, cost));
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
    long nfe = 0;
    for (Row row : rows) {
      int at = row.at();
      if (at < store.horizon) {
        due.add(row);
        branches.add(new Branch(row.state(), calls.conditioning, List.of(row.start.noise)));
        nfe += quotes.expand(at, 1, row.chain.isEmpty() && row.start.evaluated).nfe();
      }
    }
    if (due.isEmpty()) {
      return false;
    }
    try (Arrivals arrivals = calls.expand(branches, nfe, reservation)) {
      for (Row row : due) {
        row.advance(arrivals.next());
      }
    }
    return true;
  }

  /** One row: the states after its start, oldest first. */
  private final class Row {
    final Node start;
    final Cost cost;
    final List<ModelState> chain = new ArrayList<>();

    Row(Node start, Cost cost) {
      this.start = start;
      this.cost = cost;
    }

    ModelState state() {
      return chain.isEmpty() ? start.open() : chain.get(chain.size() - 1);
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

    /** Hands the chain over to the store, oldest first; the start itself if it was complete. */
    Node register(List<Node> made) {
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
}
