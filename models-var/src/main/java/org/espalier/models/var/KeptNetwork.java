package org.espalier.models.var;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BiFunction;
import java.util.stream.IntStream;
import org.espalier.compute.Cost;
import org.espalier.spi.WorkCounters;
import org.espalier.torch.Device;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.TorchTensor;
import org.jspecify.annotations.Nullable;

/**
 * A transformer that continues trajectories step by step and keeps the keys and values of what it
 * has seen, each once for all trajectories that share it. Its program has the texts {@code
 * kept_attention.py} and {@code kept_memory.py}. Thread-safe.
 */
abstract class KeptNetwork implements AutoCloseable {
  private final Set<Memory> sparse = ConcurrentHashMap.newKeySet();
  private final Work fresh = new Work();
  private final Work repeated = new Work();

  /** Work counted at the native calls. */
  private static final class Work {
    final AtomicLong evaluations = new AtomicLong();
    final AtomicLong rows = new AtomicLong();
    final AtomicLong tokens = new AtomicLong();
    final AtomicLong flops = new AtomicLong();
  }

  /**
   * What all steps of a prompt share.
   *
   * @param tensors as the program's {@code condition} returns them
   * @param promptTokens tokens of the prompt
   * @param rows 2 with guidance, else 1
   */
  record Shared(List<TorchTensor> tensors, int promptTokens, int rows) implements AutoCloseable {
    @Override
    public void close() {
      tensors.forEach(TorchTensor::close);
    }
  }

  /**
   * Keys and values of one step, of all trajectories that were evaluated in one call: (depth, 2, R,
   * N, L, H, D). Freed with the last of them; where half of them or fewer are left, {@link
   * #compact} moves these together, so that a survivor does not hold the memory of its siblings.
   */
  private final class Memory {
    private TorchTensor tensor;

    /** Numbers of the trajectories in the call, in the order in which they lie in the tensor. */
    private int[] places;

    private final BitSet users = new BitSet();

    Memory(TorchTensor tensor, int trajectories) {
      this.tensor = tensor;
      this.places = IntStream.range(0, trajectories).toArray();
      users.set(0, trajectories);
    }

    synchronized TorchTensor tensor() {
      return tensor;
    }

    synchronized int size() {
      return places.length;
    }

    synchronized int place(int index) {
      for (int i = 0; i < places.length; i++) {
        if (places[i] == index) {
          return i;
        }
      }
      throw new IllegalStateException("the keys and values of a step are not kept");
    }

    synchronized long bytesEach() {
      return tensor.nativeBytes() / places.length;
    }

    synchronized void release(int index) {
      users.clear(index);
      if (users.isEmpty()) {
        tensor.close();
        sparse.remove(this);
      } else if (users.cardinality() * 2 <= places.length) {
        sparse.add(this);
      }
    }

    synchronized void compact() {
      if (users.isEmpty()) {
        return;
      }
      int[] left = IntStream.of(places).filter(users::get).toArray();
      TorchTensor moved =
          program()
              .call(
                  "gather",
                  Collections.nCopies(left.length, tensor),
                  IntStream.of(left).mapToLong(this::place).toArray());
      tensor.close();
      tensor = moved;
      places = left;
    }
  }

  /** Moves keys and values of the few trajectories that are left of larger calls together. */
  void compact() {
    for (Memory memory : sparse) {
      sparse.remove(memory);
      memory.compact();
    }
  }

  /** Logits of one call, (N, ...), left where they were made. */
  private static final class Logits {
    private final TorchTensor tensor;
    private int users;

    Logits(TorchTensor tensor, int users) {
      this.tensor = tensor;
      this.users = users;
    }

    synchronized void release() {
      if (--users == 0) {
        tensor.close();
      }
    }
  }

  /** One trajectory's evaluation of one step. */
  static final class Evaluation implements AutoCloseable {
    private final float @Nullable [] hostLogits;
    private final @Nullable Logits deviceLogits;
    private final @Nullable Memory memory;
    private final int index;
    private final AtomicBoolean closed = new AtomicBoolean();

    private Evaluation(
        float @Nullable [] hostLogits,
        @Nullable Logits deviceLogits,
        @Nullable Memory memory,
        int index) {
      this.hostLogits = hostLogits;
      this.deviceLogits = deviceLogits;
      this.memory = memory;
      this.index = index;
    }

    /** Its logits, after guidance; fetched where they are on the device. */
    float[] logits() {
      float[] values = hostLogits;
      if (values != null) {
        return values;
      }
      Logits logits = Objects.requireNonNull(deviceLogits);
      float[] all = logits.tensor.toFloats();
      int each = all.length / logits.tensor.size(0);
      return Arrays.copyOfRange(all, index * each, (index + 1) * each);
    }

    /** Logits of all trajectories of its call, (N, ...), where they were left on the device. */
    TorchTensor callLogits() {
      if (deviceLogits == null) {
        throw new IllegalStateException("the logits are on the host");
      }
      return deviceLogits.tensor;
    }

    /** Which of its call it is. */
    int index() {
      return index;
    }

    private Memory memory() {
      Memory kept = memory;
      if (kept == null || closed.get()) {
        throw new IllegalStateException("the keys and values of a step are not kept");
      }
      return kept;
    }

    private int place() {
      return memory().place(index);
    }

    /** Bytes of its share in native memory. */
    long nativeBytes() {
      return (memory == null ? 0 : memory.bytesEach())
          + (deviceLogits == null ? 0 : deviceLogits.tensor.nativeBytes() / deviceLogits.users);
    }

    @Override
    public void close() {
      if (closed.compareAndSet(false, true)) {
        if (memory != null) {
          memory.release(index);
        }
        if (deviceLogits != null) {
          deviceLogits.release();
        }
      }
    }
  }

  /**
   * One trajectory to evaluate.
   *
   * @param code what it has drawn so far
   * @param past what is kept of its earlier steps, in order
   */
  record Row(TorchTensor code, List<Evaluation> past) {}

  /**
   * One child to draw.
   *
   * @param shared of its prompt
   * @param parent its parent's evaluation
   * @param row its parent; the past ends with the parent's evaluation
   * @param uniform numbers in [0, 1) that decide; empty for the most probable outcome
   */
  record Draw(Shared shared, Evaluation parent, Row row, float[] uniform) {}

  /**
   * What was drawn for one child.
   *
   * @param logProb natural logarithm of its draws' probability
   * @param code what it has drawn so far
   * @param grown keys and values that were made while drawing; null where there are none
   */
  record Child(double logProb, TorchTensor code, @Nullable Evaluation grown)
      implements AutoCloseable {
    @Override
    public void close() {
      code.close();
      if (grown != null) {
        grown.close();
      }
    }
  }

  /** Its program. */
  abstract TorchProgram program();

  /** Steps of a complete sample. */
  abstract int steps();

  /** Tokens of each row that one evaluation of a step passes. */
  abstract int tokens(int step);

  /** Bytes of the keys and values that one trajectory keeps of a step's evaluation. */
  abstract long keptBytes(Shared shared, int step);

  /**
   * Bytes that evaluating one trajectory takes during a call, without what it keeps.
   *
   * @param shared of the prompt
   * @param step from 0
   */
  abstract long workingBytes(Shared shared, int step);

  /** Bytes that drawing one child of a state at a step takes: none where a draw is no network. */
  long drawBytes(Shared shared, int step) {
    return 0;
  }

  /** Whether drawing passes the network itself, so that it needs the parent's whole past. */
  boolean drawsNeedPast() {
    return false;
  }

  /**
   * Makes anew what drawing a child had made and memory did not suffice to keep.
   *
   * @param shared of the prompt
   * @param row the child; the past ends with its parent's evaluation
   * @param step the parent's
   */
  Evaluation regrow(Shared shared, Row row, int step) {
    throw new UnsupportedOperationException("a draw makes no keys and values");
  }

  /** Nothing drawn yet. */
  abstract TorchTensor emptyCode();

  /** Whether draws are decided where the logits are. */
  boolean drawsOnDevice() {
    return program().device().isGpu();
  }

  Device device() {
    return program().device();
  }

  /**
   * Counts work where it is done.
   *
   * @param replay whether it repeats what was counted before
   * @param evaluations of a trajectory at a step or token
   * @param rows sequences
   * @param tokens over all rows
   * @param flops floating-point operations
   */
  void count(boolean replay, long evaluations, long rows, long tokens, long flops) {
    Work work = replay ? repeated : fresh;
    work.evaluations.addAndGet(evaluations);
    work.rows.addAndGet(rows);
    work.tokens.addAndGet(tokens);
    work.flops.addAndGet(flops);
  }

  /**
   * Evaluations of one call from its results.
   *
   * @param logits (N, ...); closed here where they are copied to the host
   * @param made keys and values (depth, 2, R, N, L, H, D), or null where none are kept
   * @param size N
   */
  List<Evaluation> evaluations(TorchTensor logits, @Nullable TorchTensor made, int size) {
    Memory memory = made == null ? null : new Memory(made, size);
    if (drawsOnDevice()) {
      Logits left = new Logits(logits, size);
      return IntStream.range(0, size).mapToObj(i -> new Evaluation(null, left, memory, i)).toList();
    }
    try (logits) {
      float[] all = logits.toFloats();
      int each = all.length / size;
      return IntStream.range(0, size)
          .mapToObj(
              i -> {
                float[] own = size == 1 ? all : Arrays.copyOfRange(all, i * each, (i + 1) * each);
                return new Evaluation(own, null, memory, i);
              })
          .toList();
    } catch (RuntimeException e) {
      if (made != null) {
        made.close();
      }
      throw e;
    }
  }

  /**
   * Keys and values that were made while drawing.
   *
   * @param made (depth, 2, R, N, L, H, D)
   * @param size N
   */
  List<Evaluation> grown(TorchTensor made, int size) {
    Memory memory = new Memory(made, size);
    return IntStream.range(0, size).mapToObj(i -> new Evaluation(null, null, memory, i)).toList();
  }

  /**
   * What is kept of a past: for each of its parts once where all have the same, else side by side.
   *
   * @param common (depth, 2, R, 1, L, H, D) each
   * @param own (depth, 2, R, N, L, H, D) each
   * @param temporary to be closed after the call
   */
  record Past(List<TorchTensor> common, List<TorchTensor> own, List<TorchTensor> temporary)
      implements AutoCloseable {
    @Override
    public void close() {
      temporary.forEach(TorchTensor::close);
    }
  }

  /**
   * The past of some trajectories, which are equally far.
   *
   * @param batch the trajectories
   */
  Past past(List<Row> batch) {
    compact();
    Past past = new Past(new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
    try {
      int parts = batch.get(0).past.size();
      for (int i = 0; i < parts; i++) {
        if (batch.get(0).past.get(i).memory != null) {
          collect(batch, i, past.common, past.own, past.temporary);
        }
      }
      return past;
    } catch (RuntimeException | Error e) {
      past.close();
      throw e;
    }
  }

  /** Finds one earlier part's keys and values: once where all have the same, else side by side. */
  private void collect(
      List<Row> batch,
      int part,
      List<TorchTensor> common,
      List<TorchTensor> own,
      List<TorchTensor> temporary) {
    Evaluation first = batch.get(0).past.get(part);
    Memory memory = first.memory();
    boolean same = true;
    boolean ordered = memory.size() == batch.size();
    for (int i = 0; i < batch.size(); i++) {
      Evaluation past = batch.get(i).past.get(part);
      same &= past.memory() == memory && past.index == first.index;
      ordered &= past.memory() == memory && memory.place(past.index) == i;
    }
    if (same) {
      if (memory.size() == 1) {
        common.add(memory.tensor());
      } else {
        TorchTensor picked = program().call("pick", memory.tensor(), memory.place(first.index));
        temporary.add(picked);
        common.add(picked);
      }
    } else if (ordered) {
      own.add(memory.tensor());
    } else {
      TorchTensor gathered =
          program()
              .call(
                  "gather",
                  batch.stream().map(row -> row.past.get(part).memory().tensor()).toList(),
                  batch.stream().mapToLong(row -> row.past.get(part).place()).toArray());
      temporary.add(gathered);
      own.add(gathered);
    }
  }

  /**
   * Draws children, all those together that were evaluated together and that draw alike.
   *
   * @param draws in any order
   * @param call from the logits of an evaluating call and its draws to their children
   * @return a child for each draw, in their order
   */
  static List<Child> drawCalls(
      List<Draw> draws, BiFunction<TorchTensor, List<Draw>, List<Child>> call) {
    record Call(TorchTensor logits, boolean mode) {}
    Map<Call, List<Integer>> calls = new LinkedHashMap<>();
    for (int i = 0; i < draws.size(); i++) {
      Draw draw = draws.get(i);
      Call key = new Call(draw.parent().callLogits(), draw.uniform().length == 0);
      calls.computeIfAbsent(key, c -> new ArrayList<>()).add(i);
    }
    Map<Integer, Child> children = new TreeMap<>();
    try {
      calls.forEach(
          (key, members) -> {
            List<Child> drawn = call.apply(key.logits, members.stream().map(draws::get).toList());
            for (int i = 0; i < drawn.size(); i++) {
              children.put(members.get(i), drawn.get(i));
            }
          });
    } catch (RuntimeException | Error e) {
      children.values().forEach(Child::close);
      throw e;
    }
    return List.copyOf(children.values());
  }

  /** The numbers of several draws as one tensor (k, numbers of a draw). */
  final TorchTensor numbers(List<float[]> uniform) {
    int each = uniform.get(0).length;
    float[] all = new float[uniform.size() * each];
    for (int i = 0; i < uniform.size(); i++) {
      System.arraycopy(uniform.get(i), 0, all, i * each, each);
    }
    return TorchTensor.of(device(), all, uniform.size(), each);
  }

  /**
   * Children from what a program's draws return.
   *
   * @param results log-probabilities (k) in float64, then each child's code
   */
  static List<Child> children(List<TorchTensor> results) {
    try (TorchTensor logProbs = results.get(0)) {
      double[] values = logProbs.toDoubles();
      return IntStream.range(0, values.length)
          .mapToObj(i -> new Child(values[i], results.get(i + 1), null))
          .toList();
    } catch (RuntimeException e) {
      results.forEach(TorchTensor::close);
      throw e;
    }
  }

  /** Work done, counted at the native calls. */
  WorkCounters counters() {
    return new WorkCounters(fresh.rows.get(), fresh.tokens.get(), fresh.flops.get(), 0);
  }

  /** Work repeated because its results had been dropped. */
  Cost replayed() {
    return Cost.generate(
        repeated.evaluations.get(),
        repeated.rows.get(),
        repeated.tokens.get(),
        repeated.flops.get());
  }

  @Override
  public void close() {
    program().close();
  }
}
