package org.espalier.models.var;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.espalier.api.EspalierException;
import org.espalier.torch.Device;
import org.espalier.torch.RowExecutor;
import org.espalier.torch.TorchEngine;

/**
 * Decides which states are evaluated in one call, and which evaluations are kept: those that do not
 * fit into memory are dropped and repeated when they are needed again. For one thread at a time.
 */
final class Evaluations {
  /** From this size of a step on the work in a call outweighs its launching. */
  private static final int SPLIT_TOKENS = 1024;

  private final KeptNetwork network;
  private final Stepper stepper;
  private final Device device;

  /** States that hold an evaluation or what their draws made, the one unused for longest first. */
  private final Set<TokenState> resident = new LinkedHashSet<>();

  /** Evaluates trajectories of one prompt and step in one call. */
  interface Stepper {
    /**
     * Evaluates.
     *
     * @param shared of the prompt
     * @param batch the trajectories
     * @param step from 0
     * @param replay whether these evaluations were made and counted before
     */
    List<KeptNetwork.Evaluation> step(
        KeptNetwork.Shared shared, List<KeptNetwork.Row> batch, int step, boolean replay);
  }

  /**
   * Nothing evaluated yet.
   *
   * @param network what keeps keys and values
   * @param stepper its evaluations
   */
  Evaluations(KeptNetwork network, Stepper stepper) {
    this.network = network;
    this.stepper = stepper;
    this.device = network.device();
  }

  /**
   * A state to evaluate.
   *
   * @param state the state
   * @param shared of its prompt
   * @param draws children that are drawn of it then
   */
  record Due(TokenState state, KeptNetwork.Shared shared, int draws) {}

  /** Takes notice of states whose draws made keys and values. */
  void drawn(List<TokenState> states) {
    states.stream().filter(TokenState::holds).forEach(resident::add);
  }

  /**
   * Evaluates states in calls as large as memory allows. Pasts that were dropped are repeated.
   *
   * @param rows states, each once; those that have an evaluation get what is missing of their past
   * @param then told of the states of each call, before the next call may need their memory
   */
  void evaluate(List<Due> rows, Consumer<List<TokenState>> then) {
    groups(rows).forEach(group -> evaluateGroup(group, then));
  }

  /** Drops all evaluations. */
  void dropAll() {
    evict(List.of(), 0);
  }

  /** What may share a call: on the CPU anything, since there each row is a call of its own. */
  private List<List<Due>> groups(List<Due> rows) {
    if (!device.isGpu()) {
      return rows.isEmpty() ? List.of() : List.of(rows);
    }
    record Call(KeptNetwork.Shared shared, int step, boolean replay) {}
    Map<Call, List<Due>> calls = new LinkedHashMap<>();
    for (Due row : rows) {
      TokenState state = row.state;
      calls
          .computeIfAbsent(
              new Call(row.shared, state.step(), state.evaluated()), c -> new ArrayList<>())
          .add(row);
    }
    List<List<Due>> groups = new ArrayList<>();
    calls.forEach(
        (call, members) -> {
          if (network.tokens(call.step) < SPLIT_TOKENS) {
            groups.add(members);
          } else {
            split(members, 0, groups);
          }
        });
    return groups;
  }

  /**
   * Parts rows of one scale into families with a longer common past, which is then read in place
   * instead of being gathered for each row. Rows that have nothing more in common stay together.
   */
  private static void split(List<Due> rows, int depth, List<List<Due>> into) {
    for (int at = depth; at < rows.get(0).state.step(); at++) {
      Map<TokenState, List<Due>> families = new LinkedHashMap<>();
      for (Due row : rows) {
        families.computeIfAbsent(row.state.ancestors().get(at), a -> new ArrayList<>()).add(row);
      }
      if (families.size() == rows.size()) {
        break;
      }
      if (families.size() > 1) {
        for (List<Due> family : families.values()) {
          split(family, at + 1, into);
        }
        return;
      }
    }
    into.add(rows);
  }

  private void evaluateGroup(List<Due> rows, Consumer<List<TokenState>> then) {
    int most = rows.size();
    int from = 0;
    while (from < rows.size()) {
      List<Due> rest = rows.subList(from, rows.size());
      int count = Math.min(most, fitting(rest));
      List<Due> part = rest.subList(0, count);
      try {
        restore(part);
        call(part);
        then.accept(part.stream().map(Due::state).toList());
      } catch (EspalierException e) {
        if (e.code() != EspalierException.Code.RESOURCE || count == 1 && !evict(part, 0)) {
          throw e;
        }
        // What is in the way may also be the allocator's own leftovers of other shapes.
        TorchEngine.releaseUnused();
        most = (count + 1) / 2;
        continue;
      }
      from += count;
    }
  }

  /** How many rows fit into memory, at least one; drops what no row needs, if that helps. */
  private int fitting(List<Due> rows) {
    resident.removeIf(state -> !state.holds());
    long budget = device.memory().limit();
    if (budget == 0) {
      return rows.size();
    }
    long[] wanted = new long[rows.size()]; // by this row and those before it
    long sum = 0;
    Set<TokenState> repeated = new HashSet<>();
    for (int i = 0; i < wanted.length; i++) {
      Due row = rows.get(i);
      int step = row.state.step();
      sum += row.draws * network.drawBytes(row.shared, step);
      if (row.state.evaluation() == null) {
        sum += network.keptBytes(row.shared, step) + network.workingBytes(row.shared, step);
      }
      for (TokenState ancestor : row.state.ancestors()) {
        if (incomplete(ancestor) && repeated.add(ancestor)) {
          sum += network.keptBytes(row.shared, ancestor.step());
          sum += network.drawBytes(row.shared, ancestor.step());
        }
      }
      wanted[i] = sum;
    }
    evict(rows, budget - sum);
    TorchEngine.keepWithinLimit(device);
    int count = 0;
    while (count < wanted.length && device.memory().used() + wanted[count] <= budget) {
      count++;
    }
    if (count == 0) {
      evict(rows.subList(0, 1), budget - wanted[0]);
      count = 1;
    }
    return count;
  }

  /**
   * Drops evaluations that some rows do not need, those unused for longest first, until all tensors
   * together take no more than some bytes.
   *
   * @return whether any was dropped
   */
  private boolean evict(List<Due> rows, long bytes) {
    Set<TokenState> needed = new HashSet<>();
    for (Due row : rows) {
      needed.add(row.state);
      needed.addAll(row.state.ancestors());
    }
    boolean any = false;
    for (Iterator<TokenState> oldest = resident.iterator();
        oldest.hasNext() && device.memory().used() > bytes; ) {
      TokenState state = oldest.next();
      if (!needed.contains(state)) {
        state.evict();
        oldest.remove();
        any = true;
        network.compact();
      }
    }
    return any;
  }

  private static boolean incomplete(TokenState state) {
    return state.evaluation() == null || state.lacksGrown();
  }

  /** Repeats what was dropped of the rows' pasts. */
  private void restore(List<Due> rows) {
    Map<Integer, Map<TokenState, Due>> dropped = new TreeMap<>();
    for (Due row : rows) {
      for (TokenState ancestor : row.state.ancestors()) {
        if (incomplete(ancestor)) {
          dropped
              .computeIfAbsent(ancestor.step(), step -> new LinkedHashMap<>())
              .putIfAbsent(ancestor, new Due(ancestor, row.shared, 0));
        }
      }
    }
    dropped.values().forEach(states -> call(List.copyOf(states.values())));
  }

  /** Evaluates states whose pasts are there: on a GPU in one native call, else in one a row. */
  private void call(List<Due> rows) {
    if (device.isGpu()) {
      rows.forEach(this::regrow);
      step(rows.stream().filter(row -> row.state.evaluation() == null).toList());
    } else {
      RowExecutor.map(
          device,
          rows,
          row -> {
            regrow(row);
            if (row.state.evaluation() == null) {
              step(List.of(row));
            }
            return row;
          });
    }
    for (Due row : rows) {
      List<TokenState> used = new ArrayList<>(row.state.ancestors());
      used.add(row.state);
      used.forEach(resident::remove);
      resident.addAll(used);
    }
  }

  private void regrow(Due row) {
    TokenState parent = row.state.parent();
    if (parent != null && row.state.lacksGrown()) {
      KeptNetwork.Row child = new KeptNetwork.Row(row.state.code(), parent.expandedPast());
      row.state.regrow(network.regrow(row.shared, child, parent.step()));
    }
  }

  private void step(List<Due> rows) {
    if (rows.isEmpty()) {
      return;
    }
    TokenState first = rows.get(0).state;
    List<KeptNetwork.Row> past = new ArrayList<>(rows.size());
    rows.forEach(row -> past.add(new KeptNetwork.Row(row.state.code(), row.state.past())));
    List<KeptNetwork.Evaluation> evaluations =
        stepper.step(rows.get(0).shared, past, first.step(), first.evaluated());
    for (int i = 0; i < rows.size(); i++) {
      rows.get(i).state.keep(evaluations.get(i));
    }
  }
}
