package org.espalier.models.var;

import ai.djl.Device;
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
import java.util.stream.IntStream;
import org.espalier.compute.Cost;
import org.espalier.spi.WorkCounters;
import org.espalier.torch.DType;
import org.espalier.torch.TorchEngine;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;
import org.jspecify.annotations.Nullable;

/**
 * The transformer of Infinity over one schedule: conditioning once a prompt, one evaluation a
 * scale. Thread-safe.
 */
final class InfinityNetwork implements AutoCloseable {
  private final InfinityArchitecture architecture;
  private final ScaleSchedule schedule;
  private final int codeChannels;
  private final TorchProgram program;
  private final List<TorchTensor> ropes = new ArrayList<>();
  private final DType dtype;
  private final @Nullable String kernels;
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
   * What all scales of a prompt share.
   *
   * @param tensors as the program's {@code condition} returns them
   * @param textTokens tokens of the prompt
   * @param rows 2 with guidance, else 1
   */
  record Shared(List<TorchTensor> tensors, int textTokens, int rows) implements AutoCloseable {
    @Override
    public void close() {
      tensors.forEach(TorchTensor::close);
    }
  }

  /**
   * Keys and values of one scale, of all trajectories that were evaluated in one call: (depth, 2,
   * R, N, L, H, D). Freed with the last of them; where half of them or fewer are left, {@link
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
      throw new IllegalStateException("the keys and values of a scale are not kept");
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
          program.call(
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

  /** Logits of one call: on the host where bits are drawn there, else (N, L, 2 * bits). */
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

  /** One trajectory's evaluation of one scale. */
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

    /** (tokens, bits, 2), after guidance and temperature; fetched where they are on the device. */
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

    private Memory memory() {
      Memory kept = memory;
      if (kept == null || closed.get()) {
        throw new IllegalStateException("the keys and values of a scale are not kept");
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
   * @param code its summed code
   * @param past the evaluations of the earlier scales, in order
   */
  record Row(TorchTensor code, List<Evaluation> past) {}

  /**
   * What was drawn for one child.
   *
   * @param logProb natural logarithm of its bits' probability
   * @param code its summed code
   */
  record Child(double logProb, TorchTensor code) {}

  /**
   * Loads a transformer.
   *
   * @param weights a checkpoint in a published layout
   * @param schedule the grids
   * @param codeChannels of the tokenizer: all bits of a token, or a quarter where it covers 2 x 2
   *     elements of the code
   * @param levelEveryChunk whether the scale's embedding is added before each chunk of blocks
   *     instead of before the first block only
   * @param device where it computes
   */
  InfinityNetwork(
      WeightSource weights,
      ScaleSchedule schedule,
      int codeChannels,
      boolean levelEveryChunk,
      Device device) {
    this(weights, schedule, codeChannels, levelEveryChunk, device, null);
  }

  /** The same in a floating-point type, or in the one that suits the device and its size. */
  InfinityNetwork(
      WeightSource weights,
      ScaleSchedule schedule,
      int codeChannels,
      boolean levelEveryChunk,
      Device device,
      @Nullable DType requested) {
    this.schedule = schedule;
    this.codeChannels = codeChannels;
    WeightSource source = InfinityArchitecture.normalize(weights);
    architecture = InfinityArchitecture.of(source);
    architecture.requireFit(weights.location(), schedule, codeChannels);
    WeightSpec spec = architecture.weights(source);
    dtype = requested != null ? requested : TorchEngine.dtype(device, spec.parameters());
    boolean fits = architecture.headWidth() == 64 || architecture.headWidth() == 128;
    kernels = fits ? FusedKernels.sha256(device, dtype) : null;
    program =
        TorchProgram.builder("Infinity")
            .text(FusedKernels.mark(kernels))
            .text(InfinityNetwork.class, "infinity.py")
            .text(
                InfinityNetwork.class,
                kernels == null ? "infinity_blocks.py" : "infinity_blocks_fused.py")
            .attribute("depth", architecture.depth())
            .attribute("heads", architecture.heads())
            .attribute("head_width", architecture.headWidth())
            .attribute("pool_heads", architecture.poolHeads())
            .attribute("eps", 1e-6)
            .attribute("max_log_scale", Math.log(100))
            .attribute("code_scale", 1 / Math.sqrt(codeChannels))
            .attribute("patchify", patchified())
            .attribute("attention", TorchEngine.attentionKernel(device, dtype))
            .attribute(
                "level_every",
                levelEveryChunk
                    ? InfinityArchitecture.blocksPerChunk(weights)
                    : architecture.depth())
            .device(device)
            .dtype(dtype)
            .load(source, spec);
    try {
      program.run("prepare");
      for (int scale = 0; scale < schedule.size(); scale++) {
        try (TorchTensor r =
                TorchTensor.of(device, schedule.rows(scale), schedule.get(scale).tokens());
            TorchTensor c =
                TorchTensor.of(device, schedule.columns(scale), schedule.get(scale).tokens())) {
          ropes.add(program.call("rope", r, c));
        }
      }
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  DType dtype() {
    return dtype;
  }

  /** SHA-256 of the fused kernels that it uses; null where it uses none. */
  @Nullable String kernels() {
    return kernels;
  }

  InfinityArchitecture architecture() {
    return architecture;
  }

  TorchProgram program() {
    return program;
  }

  private boolean patchified() {
    return architecture.bits() != codeChannels;
  }

  /** Height and width of the summed code. */
  ScaleSchedule.Grid codeSize() {
    int factor = patchified() ? 2 : 1;
    return new ScaleSchedule.Grid(
        schedule.last().height() * factor, schedule.last().width() * factor);
  }

  /** A summed code of zeros. */
  TorchTensor emptyCode() {
    ScaleSchedule.Grid size = codeSize();
    return TorchTensor.of(
        program.device(),
        new float[codeChannels * size.tokens()],
        1,
        codeChannels,
        size.height(),
        size.width());
  }

  /**
   * Computes what all scales of a prompt share.
   *
   * @param text (1, tokens, text channels)
   * @param guided whether an unconditional row goes along
   */
  Shared condition(TorchTensor text, boolean guided) {
    int textTokens = text.size(1);
    List<TorchTensor> tensors = program.run("condition", text, guided);
    fresh.flops.addAndGet(architecture.conditionFlops(textTokens, guided ? 2 : 1));
    return new Shared(tensors, textTokens, guided ? 2 : 1);
  }

  /**
   * Evaluates one scale of one trajectory.
   *
   * @param shared of the prompt
   * @param row the trajectory
   * @param scale from 0
   * @param guidance where and how strongly samples are guided
   */
  Evaluation step(Shared shared, Row row, int scale, Guidance guidance) {
    return step(shared, List.of(row), scale, guidance, false).get(0);
  }

  /**
   * Evaluates one scale of several trajectories of one prompt in one call. What they have in common
   * of their past is read once for all.
   *
   * @param shared of the prompt
   * @param batch the trajectories
   * @param scale from 0
   * @param guidance where and how strongly samples are guided
   * @param replay whether these evaluations were made and counted before
   */
  List<Evaluation> step(
      Shared shared, List<Row> batch, int scale, Guidance guidance, boolean replay) {
    ScaleSchedule.Grid grid = schedule.get(scale);
    boolean keep = scale + 1 < schedule.size();
    List<TorchTensor> temporary = new ArrayList<>();
    List<TorchTensor> common = new ArrayList<>();
    List<TorchTensor> own = new ArrayList<>();
    List<TorchTensor> results;
    compact();
    try {
      for (int i = 0; i < scale; i++) {
        collect(batch, i, common, own, temporary);
      }
      results =
          program.run(
              "step",
              shared.tensors,
              batch.stream().map(Row::code).toList(),
              common,
              own,
              ropes.get(scale),
              scale,
              grid.height(),
              grid.width(),
              keep,
              guidance.cfg().get(scale),
              guidance.tau().get(scale),
              guidance.onLogits(scale),
              guidance.layers(scale));
    } finally {
      temporary.forEach(TorchTensor::close);
    }
    int size = batch.size();
    Work work = replay ? repeated : fresh;
    work.evaluations.addAndGet(size);
    work.rows.addAndGet((long) shared.rows * size);
    work.tokens.addAndGet((long) shared.rows * grid.tokens() * size);
    work.flops.addAndGet(
        stepFlops(scale, shared.textTokens, shared.rows, guidance.onLogits(scale)) * size);
    TorchTensor logits = results.get(0);
    TorchTensor made = results.get(1);
    Memory memory = keep ? new Memory(made, size) : null;
    if (!keep) {
      made.close();
    }
    List<Evaluation> evaluations = new ArrayList<>(size);
    if (drawsOnDevice()) {
      Logits left = new Logits(logits, size);
      for (int i = 0; i < size; i++) {
        evaluations.add(new Evaluation(null, left, memory, i));
      }
      return evaluations;
    }
    try (logits) {
      float[] all = logits.toFloats();
      int each = all.length / size;
      for (int i = 0; i < size; i++) {
        float[] values = size == 1 ? all : Arrays.copyOfRange(all, i * each, (i + 1) * each);
        evaluations.add(new Evaluation(values, null, memory, i));
      }
      return evaluations;
    } catch (RuntimeException e) {
      made.close();
      throw e;
    }
  }

  /** Bytes of the keys and values that one trajectory keeps of a scale. */
  long keptBytes(Shared shared, int scale) {
    return scale + 1 == schedule.size()
        ? 0
        : 2L
            * dtype.bytes()
            * shared.rows
            * architecture.width()
            * architecture.depth()
            * schedule.get(scale).tokens();
  }

  /**
   * Bytes that evaluating one trajectory takes during a call, without what it keeps.
   *
   * @param shared of the prompt
   * @param scale from 0
   */
  long workingBytes(Shared shared, int scale) {
    long width = architecture.width();
    long length = schedule.get(scale).tokens();
    long past = schedule.tokensBefore(scale);
    int bytes = dtype.bytes();
    // One layer's keys and values of the whole path, twice; the residual stream in float32 with
    // eight intermediate results of its size, and the feed-forward part.
    return shared.rows
        * (4 * bytes * width * (past + length)
            + length * (9 * 4 * width + 2L * bytes * architecture.hidden()));
  }

  /** Whether bits are drawn where the logits are. */
  boolean drawsOnDevice() {
    return program.device().isGpu();
  }

  /** Finds one earlier scale's keys and values: once where all have the same, else side by side. */
  private void collect(
      List<Row> batch,
      int scale,
      List<TorchTensor> common,
      List<TorchTensor> own,
      List<TorchTensor> temporary) {
    Evaluation first = batch.get(0).past.get(scale);
    Memory memory = first.memory();
    boolean same = true;
    boolean ordered = memory.size() == batch.size();
    for (int i = 0; i < batch.size(); i++) {
      Evaluation past = batch.get(i).past.get(scale);
      same &= past.memory() == memory && past.index == first.index;
      ordered &= past.memory() == memory && memory.place(past.index) == i;
    }
    if (same) {
      if (memory.size() == 1) {
        common.add(memory.tensor());
      } else {
        TorchTensor picked = program.call("pick", memory.tensor(), memory.place(first.index));
        temporary.add(picked);
        common.add(picked);
      }
    } else if (ordered) {
      own.add(memory.tensor());
    } else {
      TorchTensor gathered =
          program.call(
              "gather",
              batch.stream().map(row -> row.past.get(scale).memory().tensor()).toList(),
              batch.stream().mapToLong(row -> row.past.get(scale).place()).toArray());
      temporary.add(gathered);
      own.add(gathered);
    }
  }

  /**
   * One child to draw on the device.
   *
   * @param parent its parent's evaluation
   * @param code its parent's summed code
   * @param uniform numbers in [0, 1), (tokens, bits); or empty for the mode
   */
  record Draw(Evaluation parent, TorchTensor code, float[] uniform) {}

  /**
   * Draws children on the device, all those of one evaluating call together.
   *
   * @param draws of parents that were evaluated at this scale
   * @param certain a bit whose less probable outcome is at most as probable takes the other one
   * @param scale from 0
   * @return a child for each draw
   */
  List<Child> draw(List<Draw> draws, double certain, int scale) {
    record Call(@Nullable Logits logits, boolean mode) {}
    Map<Call, List<Integer>> calls = new LinkedHashMap<>();
    for (int i = 0; i < draws.size(); i++) {
      Draw draw = draws.get(i);
      calls
          .computeIfAbsent(
              new Call(draw.parent.deviceLogits, draw.uniform.length == 0), c -> new ArrayList<>())
          .add(i);
    }
    Map<Integer, Child> children = new TreeMap<>();
    try {
      calls.forEach(
          (call, members) -> {
            Logits logits = call.logits;
            if (logits == null) {
              throw new IllegalStateException("the logits are on the host");
            }
            List<Child> drawn =
                draw(
                    logits.tensor,
                    members.stream().mapToLong(i -> draws.get(i).parent.index).toArray(),
                    members.stream().map(i -> draws.get(i).code).toList(),
                    members.stream().map(i -> draws.get(i).uniform).toList(),
                    certain,
                    scale);
            for (int i = 0; i < drawn.size(); i++) {
              children.put(members.get(i), drawn.get(i));
            }
          });
    } catch (RuntimeException | Error e) {
      children.values().forEach(child -> child.code.close());
      throw e;
    }
    return List.copyOf(children.values());
  }

  /** The same from logits (N, tokens, 2 * bits), of which each child has its parent's index. */
  List<Child> draw(
      TorchTensor logits,
      long[] parents,
      List<TorchTensor> codes,
      List<float[]> uniform,
      double certain,
      int scale) {
    ScaleSchedule.Grid grid = schedule.get(scale);
    int children = uniform.size();
    int each = uniform.get(0).length;
    float[] all = new float[children * each];
    for (int i = 0; i < children; i++) {
      System.arraycopy(uniform.get(i), 0, all, i * each, each);
    }
    List<TorchTensor> results;
    try (TorchTensor numbers = TorchTensor.of(program.device(), all, children, each)) {
      results =
          program.run(
              "draw", codes, logits, parents, numbers, certain, grid.height(), grid.width());
    }
    try (TorchTensor logProbs = results.get(0)) {
      double[] values = logProbs.toDoubles();
      List<Child> drawn = new ArrayList<>(children);
      for (int i = 0; i < children; i++) {
        drawn.add(new Child(values[i], results.get(i + 1)));
      }
      return drawn;
    } catch (RuntimeException e) {
      results.forEach(TorchTensor::close);
      throw e;
    }
  }

  /** Floating-point operations of {@link #step}. */
  long stepFlops(int scale, int textTokens, int rows, boolean onLogits) {
    return architecture.stepFlops(schedule, scale, textTokens, rows, onLogits ? rows : 1);
  }

  /**
   * Adds a scale's bits to a summed code.
   *
   * @param code the summed code of the earlier scales
   * @param bits 0 or 1, (tokens, bits)
   * @param scale from 0
   */
  TorchTensor accept(TorchTensor code, byte[] bits, int scale) {
    ScaleSchedule.Grid grid = schedule.get(scale);
    try (TorchTensor drawn =
        TorchTensor.of(program.device(), bits, grid.tokens(), architecture.bits())) {
      return program.call("accept", code, drawn, grid.height(), grid.width());
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
    ropes.forEach(TorchTensor::close);
    program.close();
  }
}
