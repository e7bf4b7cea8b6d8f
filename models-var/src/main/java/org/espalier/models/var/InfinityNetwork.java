package org.espalier.models.var;

import ai.djl.Device;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.espalier.spi.WorkCounters;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;

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
  private final AtomicLong rows = new AtomicLong();
  private final AtomicLong tokens = new AtomicLong();
  private final AtomicLong flops = new AtomicLong();

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
   * One evaluation.
   *
   * @param logits (tokens, bits, 2), after guidance and temperature, on the host
   * @param memory its keys and values
   */
  record Evaluation(float[] logits, TorchTensor memory) {}

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
    this.schedule = schedule;
    this.codeChannels = codeChannels;
    WeightSource source = InfinityArchitecture.normalize(weights);
    architecture = InfinityArchitecture.of(source);
    architecture.requireFit(weights.location(), schedule, codeChannels);
    program =
        TorchProgram.builder("Infinity")
            .text(InfinityNetwork.class, "infinity.py")
            .attribute("depth", architecture.depth())
            .attribute("heads", architecture.heads())
            .attribute("head_width", architecture.headWidth())
            .attribute("pool_heads", architecture.poolHeads())
            .attribute("eps", 1e-6)
            .attribute("max_log_scale", Math.log(100))
            .attribute("code_scale", 1 / Math.sqrt(codeChannels))
            .attribute("patchify", patchified())
            .attribute(
                "level_every",
                levelEveryChunk
                    ? InfinityArchitecture.blocksPerChunk(weights)
                    : architecture.depth())
            .device(device)
            .load(source, architecture.weights(source));
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
    flops.addAndGet(architecture.conditionFlops(textTokens, guided ? 2 : 1));
    return new Shared(tensors, textTokens, guided ? 2 : 1);
  }

  /**
   * Evaluates one scale.
   *
   * @param shared of the prompt
   * @param code the summed code of the earlier scales
   * @param past keys and values of the earlier scales, in order
   * @param scale from 0
   * @param guidance where and how strongly samples are guided
   */
  Evaluation step(
      Shared shared, TorchTensor code, Collection<TorchTensor> past, int scale, Guidance guidance) {
    ScaleSchedule.Grid grid = schedule.get(scale);
    List<TorchTensor> results =
        program.run(
            "step",
            shared.tensors,
            code,
            List.copyOf(past),
            ropes.get(scale),
            scale,
            grid.height(),
            grid.width(),
            guidance.cfg().get(scale),
            guidance.tau().get(scale),
            guidance.onLogits(),
            guidance.layerNumbers());
    try (TorchTensor logits = results.get(0)) {
      rows.addAndGet(shared.rows);
      tokens.addAndGet((long) shared.rows * grid.tokens());
      flops.addAndGet(stepFlops(scale, shared.textTokens, shared.rows, guidance.onLogits()));
      return new Evaluation(logits.toFloats(), results.get(1));
    } catch (RuntimeException e) {
      results.get(1).close();
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
    return new WorkCounters(rows.get(), tokens.get(), flops.get(), 0);
  }

  @Override
  public void close() {
    ropes.forEach(TorchTensor::close);
    program.close();
  }
}
