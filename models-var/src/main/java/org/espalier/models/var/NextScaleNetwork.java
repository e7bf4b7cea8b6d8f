package org.espalier.models.var;

import java.util.ArrayList;
import java.util.List;
import org.espalier.compute.Cost;
import org.espalier.torch.DType;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.TorchTensor;

/**
 * A transformer whose step is a scale: all tokens of a grid at once, which see those of the coarser
 * grids. Its program has the texts {@code next_scale.py} and {@code scale_blocks.py}.
 */
abstract class NextScaleNetwork extends KeptNetwork {
  private final TorchProgram program;
  private final ScaleSchedule schedule;
  private final int depth;
  private final int width;
  private final int hidden;
  private final List<TorchTensor> ropes = new ArrayList<>();

  /**
   * Takes over a loaded program.
   *
   * @param program it is closed with the network
   * @param schedule the grids
   * @param depth blocks
   * @param width of the residual stream
   * @param hidden width of the feed-forward layers
   * @param rotary whether queries and keys are turned by the places of their tokens
   */
  NextScaleNetwork(
      TorchProgram program,
      ScaleSchedule schedule,
      int depth,
      int width,
      int hidden,
      boolean rotary) {
    this.program = program;
    this.schedule = schedule;
    this.depth = depth;
    this.width = width;
    this.hidden = hidden;
    try {
      program.run("prepare");
      for (int scale = 0; scale < schedule.size(); scale++) {
        ropes.add(rotary ? rope(scale) : TorchTensor.of(program.device(), new float[0], 0));
      }
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  private TorchTensor rope(int scale) {
    int tokens = schedule.get(scale).tokens();
    try (TorchTensor r = TorchTensor.of(program.device(), schedule.rows(scale), tokens);
        TorchTensor c = TorchTensor.of(program.device(), schedule.columns(scale), tokens)) {
      return program.call("rope", r, c);
    }
  }

  /**
   * Floating-point operations of evaluating one trajectory.
   *
   * @param scale from 0
   * @param promptTokens tokens of the prompt
   * @param rows 2 with guidance, else 1
   * @param headRows 2 where this scale's logits are mixed, else 1
   */
  abstract long flops(int scale, int promptTokens, int rows, int headRows);

  @Override
  final TorchProgram program() {
    return program;
  }

  final DType dtype() {
    return program.dtype();
  }

  final ScaleSchedule schedule() {
    return schedule;
  }

  @Override
  final int steps() {
    return schedule.size();
  }

  @Override
  final int tokens(int step) {
    return schedule.get(step).tokens();
  }

  /**
   * Floating-point operations of {@link #step}.
   *
   * @param scale from 0
   * @param promptTokens tokens of the prompt
   * @param rows 2 with guidance, else 1
   * @param onLogits whether this scale's logits are mixed
   */
  final long stepFlops(int scale, int promptTokens, int rows, boolean onLogits) {
    return flops(scale, promptTokens, rows, onLogits ? rows : 1);
  }

  /**
   * Cost of expanding one state.
   *
   * @param guidance of its samples
   * @param promptTokens tokens of its prompt
   * @param scale its step
   * @param draws children: siblings share the evaluation
   * @param cached whether the evaluation is held
   */
  final Cost stepCost(Guidance guidance, int promptTokens, int scale, int draws, boolean cached) {
    if (cached) {
      return Cost.generate(draws, 0, 0, 0);
    }
    int rows = guidance.rows();
    return Cost.generate(
        draws,
        rows,
        (long) rows * tokens(scale),
        stepFlops(scale, promptTokens, rows, guidance.onLogits(scale)));
  }

  /**
   * Evaluates one scale of one trajectory.
   *
   * @param shared of the prompt
   * @param row the trajectory
   * @param scale from 0
   * @param guidance where and how strongly samples are guided
   */
  final Evaluation step(Shared shared, Row row, int scale, Guidance guidance) {
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
  final List<Evaluation> step(
      Shared shared, List<Row> batch, int scale, Guidance guidance, boolean replay) {
    ScaleSchedule.Grid grid = schedule.get(scale);
    boolean keep = scale + 1 < schedule.size();
    List<TorchTensor> results;
    try (Past past = past(batch)) {
      results =
          program.run(
              "step",
              shared.tensors(),
              batch.stream().map(Row::code).toList(),
              past.common(),
              past.own(),
              ropes.get(scale),
              scale,
              grid.height(),
              grid.width(),
              keep,
              guidance.cfg().get(scale),
              guidance.tau().get(scale),
              guidance.onLogits(scale),
              guidance.layers(scale));
    }
    int size = batch.size();
    int rows = shared.rows();
    long flops = stepFlops(scale, shared.promptTokens(), rows, guidance.onLogits(scale));
    count(replay, size, (long) rows * size, (long) rows * grid.tokens() * size, flops * size);
    TorchTensor made = results.get(1);
    if (!keep) {
      made.close();
    }
    return evaluations(results.get(0), keep ? made : null, size);
  }

  @Override
  final long keptBytes(Shared shared, int scale) {
    return scale + 1 == schedule.size()
        ? 0
        : 2L * dtype().bytes() * shared.rows() * width * depth * tokens(scale);
  }

  @Override
  final long workingBytes(Shared shared, int scale) {
    long length = tokens(scale);
    long past = schedule.tokensBefore(scale);
    int bytes = dtype().bytes();
    // One layer's keys and values of the whole path, twice; the residual stream in float32 with
    // eight intermediate results of its size, and the feed-forward part.
    return shared.rows()
        * (4 * bytes * (long) width * (past + length)
            + length * (9 * 4 * (long) width + 2L * bytes * hidden));
  }

  @Override
  public final void close() {
    ropes.forEach(TorchTensor::close);
    super.close();
  }
}
