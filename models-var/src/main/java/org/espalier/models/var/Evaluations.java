package org.espalier.models.var;

import ai.djl.Device;
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
import org.espalier.torch.RowExecutor;
import org.espalier.torch.TorchEngine;
import org.espalier.torch.TorchTensor;

/**
 * Decides which states are evaluated in one call, and which evaluations are kept: those that do not
 * fit into memory are dropped and repeated when they are needed again. For one thread at a time.
 */
final class Evaluations {
  /** From this size of a scale on the work in a call outweighs its launching. */
  private static final int SPLIT_TOKENS = 1024;

  private final InfinityNetwork network;
  private final ScaleSchedule schedule;
  private final Guidance guidance;
  private final Device device;

  /** States that hold an evaluation, the one unused for longest first. */
  private final Set<InfinityState> resident = new LinkedHashSet<>();

  /**
   * Nothing evaluated yet.
   *
   * @param network what evaluates
   * @param schedule its scales
   * @param guidance where and how strongly samples are guided
   */
  Evaluations(InfinityNetwork network, ScaleSchedule schedule, Guidance guidance) {
    this.network = network;
    this.schedule = schedule;
    this.guidance = guidance;
    this.device = network.program().device();
  }

  /** A state to evaluate, and its prompt. */
  record Due(InfinityState state, InfinityNetwork.Shared shared) {}

  /**
   * Evaluates states in calls as large as memory allows. Pasts that were dropped are repeated.
   *
   * @param rows states without an evaluation, each once
   * @param then told of the states of each call, before the next call may need their memory
   */
  void evaluate(List<Due> rows, Consumer<List<InfinityState>> then) {
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
    record Call(InfinityNetwork.Shared shared, int scale, boolean replay) {}
    Map<Call, List<Due>> calls = new LinkedHashMap<>();
    for (Due row : rows) {
      InfinityState state = row.state;
      calls
          .computeIfAbsent(
              new Call(row.shared, state.step(), state.evaluated()), c -> new ArrayList<>())
          .add(row);
    }
    List<List<Due>> groups = new ArrayList<>();
    calls.forEach(
        (call, members) -> {
          if (schedule.get(call.scale).tokens() < SPLIT_TOKENS) {
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
      Map<InfinityState, List<Due>> families = new LinkedHashMap<>();
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

  private void evaluateGroup(List<Due> rows, Consumer<List<InfinityState>> then) {
    int most = rows.size();
    int from = 0;
    while (from < rows.size()) {
      List<Due> rest = rows.subList(from, rows.size());
      int count = Math.min(most, fitting(rest));
      List<Due> part = rest.subList(0, count);
      try {
        restore(part);
        call(part);
      } catch (EspalierException e) {
        if (e.code() != EspalierException.Code.RESOURCE || count == 1 && !evict(part, 0)) {
          throw e;
        }
        // What is in the way may also be the allocator's own leftovers of other shapes.
        TorchEngine.releaseUnused();
        most = (count + 1) / 2;
        continue;
      }
      then.accept(part.stream().map(Due::state).toList());
      from += count;
    }
  }

  /** How many rows fit into memory, at least one; drops what no row needs, if that helps. */
  private int fitting(List<Due> rows) {
    resident.removeIf(state -> state.evaluation() == null);
    long budget = TorchEngine.memoryBudget();
    if (budget == 0) {
      return rows.size();
    }
    long[] wanted = new long[rows.size()]; // by this row and those before it
    long sum = 0;
    Set<InfinityState> repeated = new HashSet<>();
    for (int i = 0; i < wanted.length; i++) {
      Due row = rows.get(i);
      int scale = row.state.step();
      sum += network.keptBytes(row.shared, scale) + network.workingBytes(row.shared, scale);
      for (InfinityState ancestor : row.state.ancestors()) {
        if (ancestor.evaluation() == null && repeated.add(ancestor)) {
          sum += network.keptBytes(row.shared, ancestor.step());
        }
      }
      wanted[i] = sum;
    }
    evict(rows, budget - sum);
    TorchEngine.keepWithinBudget(device);
    int count = 0;
    while (count < wanted.length && TorchTensor.liveBytes() + wanted[count] <= budget) {
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
    Set<InfinityState> needed = new HashSet<>();
    for (Due row : rows) {
      needed.add(row.state);
      needed.addAll(row.state.ancestors());
    }
    boolean any = false;
    for (Iterator<InfinityState> oldest = resident.iterator();
        oldest.hasNext() && TorchTensor.liveBytes() > bytes; ) {
      InfinityState state = oldest.next();
      if (!needed.contains(state)) {
        state.evict();
        oldest.remove();
        any = true;
        network.compact();
      }
    }
    return any;
  }

  /** Repeats the evaluations of the rows' pasts that were dropped. */
  private void restore(List<Due> rows) {
    Map<Integer, Map<InfinityState, Due>> dropped = new TreeMap<>();
    for (Due row : rows) {
      for (InfinityState ancestor : row.state.ancestors()) {
        if (ancestor.evaluation() == null) {
          dropped
              .computeIfAbsent(ancestor.step(), step -> new LinkedHashMap<>())
              .putIfAbsent(ancestor, new Due(ancestor, row.shared));
        }
      }
    }
    dropped.values().forEach(states -> call(List.copyOf(states.values())));
  }

  /** Evaluates states whose pasts are there: on a GPU in one native call, else in one a row. */
  private void call(List<Due> rows) {
    if (device.isGpu()) {
      step(rows);
    } else {
      RowExecutor.map(
          device,
          rows,
          row -> {
            step(List.of(row));
            return row;
          });
    }
    for (Due row : rows) {
      List<InfinityState> used = new ArrayList<>(row.state.ancestors());
      used.add(row.state);
      used.forEach(resident::remove);
      resident.addAll(used);
    }
  }

  private void step(List<Due> rows) {
    InfinityState first = rows.get(0).state;
    List<InfinityNetwork.Row> past = new ArrayList<>(rows.size());
    rows.forEach(row -> past.add(new InfinityNetwork.Row(row.state.code(), row.state.past())));
    List<InfinityNetwork.Evaluation> evaluations =
        network.step(rows.get(0).shared, past, first.step(), guidance, first.evaluated());
    for (int i = 0; i < rows.size(); i++) {
      rows.get(i).state.keep(evaluations.get(i));
    }
  }
}
