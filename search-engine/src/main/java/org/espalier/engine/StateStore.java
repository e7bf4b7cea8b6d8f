package org.espalier.engine;

import static java.util.stream.Collectors.toCollection;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import org.espalier.api.EspalierException;
import org.espalier.api.Noise;
import org.espalier.api.Trajectory;
import org.espalier.compute.Cost;
import org.espalier.spi.Closing;
import org.espalier.spi.ModelState;
import org.jspecify.annotations.Nullable;

/**
 * Owns the native states of one search. A state is open while the strategy holds its handle, the
 * engine pins it, or an open state depends on it; it is closed exactly once, after its dependants.
 */
final class StateStore {
  final int horizon;
  private final long maxTrajectories;
  private final List<Node> all = new ArrayList<>();

  /** Nodes whose handle the strategy holds, each once. */
  private final List<Node> held = new ArrayList<>();

  StateStore(int horizon, long maxTrajectories) {
    this.horizon = horizon;
    this.maxTrajectories = maxTrajectories;
  }

  /** Registers a new state, not yet held by anybody: follow with {@link #hold} or {@link #pin}. */
  Node add(@Nullable Node parent, String verb, ModelState state, Noise noise, Cost cost) {
    try {
      requireRoom(1);
    } catch (EspalierException e) {
      try (state) {
        throw e;
      }
    }
    Node node = new Node(this, all.size(), parent, verb, state, noise, cost);
    all.add(node);
    if (node.dependent && parent != null) {
      parent.references++;
    }
    return node;
  }

  /** Refuses more trajectories than a search may create. */
  void requireRoom(int more) {
    if (all.size() + (long) more > maxTrajectories) {
      throw new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          "A search has created more than %d trajectories.".formatted(maxTrajectories),
          "Maybe the strategy loops over verbs that cost nothing in the budget's unit.");
    }
  }

  void hold(Node node) {
    if (!node.held) {
      node.held = true;
      held.add(node);
      node.references++;
    }
  }

  void pin(Node node) {
    node.references++;
  }

  void release(Node node) {
    node.references--;
    closeUnreferenced(node);
  }

  /** The node of a handle, if it belongs to this search and is still held. */
  Node require(Trajectory trajectory) {
    if (!(trajectory instanceof Node node) || node.store != this) {
      throw new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          "The handle (" + trajectory + ") belongs to another search.",
          "Maybe keep handles on the stack of one search: strategies are stateless.");
    }
    if (!node.held) {
      throw new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          "The handle (" + node + ") was dropped by retainOnly.",
          "Maybe keep it among the survivors.");
    }
    return node;
  }

  /** Drops every held node but these. */
  void retainOnly(Collection<Node> keep) {
    held.forEach(node -> node.held = false);
    keep.forEach(node -> node.held = true);
    List<Node> dropped =
        held.stream().filter(node -> !node.held).collect(toCollection(ArrayList::new));
    held.removeIf(node -> !node.held);
    // Youngest first: children before their parents, so that each close finds no dependant.
    dropped.sort((a, b) -> Long.compare(b.id, a.id));
    closeAll(dropped);
  }

  /** Drops these nodes, which nobody but the caller has seen. */
  void discard(Collection<Node> nodes) {
    List<Node> dropped = new ArrayList<>(nodes);
    dropped.sort((a, b) -> Long.compare(b.id, a.id));
    List<Node> referenced = new ArrayList<>();
    for (Node node : dropped) {
      if (node.held) {
        node.held = false;
        referenced.add(node);
      } else if (node.references == 0) {
        node.references++;
        referenced.add(node);
      }
    }
    held.removeIf(node -> !node.held);
    closeAll(referenced);
  }

  private void closeAll(List<Node> youngestFirst) {
    List<AutoCloseable> releases = new ArrayList<>(youngestFirst.size());
    for (int i = youngestFirst.size() - 1; i >= 0; i--) {
      Node node = youngestFirst.get(i);
      releases.add(() -> release(node));
    }
    Closing.all(releases);
  }

  /** Closes everything, youngest first, whatever holds it. */
  void closeAll() {
    held.forEach(node -> node.held = false);
    held.clear();
    List<ModelState> open = new ArrayList<>();
    for (Node node : all) {
      ModelState state = node.state;
      if (state != null) {
        node.state = null;
        open.add(state);
      }
    }
    Closing.all(open);
  }

  List<Node> nodes() {
    return all;
  }

  private void closeUnreferenced(Node start) {
    Node node = start;
    while (node != null && node.references == 0 && node.state != null) {
      ModelState state = node.state;
      node.state = null;
      node.image = null;
      Node parent = node.dependent ? node.parent : null;
      try {
        state.close();
      } finally {
        if (parent != null) {
          parent.references--;
        }
      }
      node = parent;
    }
  }
}
