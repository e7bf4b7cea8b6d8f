package org.espalier.models.var;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.espalier.api.EspalierException;
import org.espalier.torch.DType;
import org.espalier.torch.Device;
import org.espalier.torch.TorchEngine;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;

/**
 * The decoder of Janus. A step is a block of tokens: evaluating a state passes its last token, once
 * for all children, which gives the logits of the block's first token; drawing a child passes the
 * others one after the other. What is drawn are the tokens so far, (1, n). Thread-safe.
 */
final class JanusNetwork extends KeptNetwork {
  private final JanusArchitecture architecture;
  private final TorchProgram program;
  private final int block;
  private final long padding;

  /**
   * Loads a decoder.
   *
   * @param weights under the names of transformers' port
   * @param architecture their sizes
   * @param block tokens of a step, a divisor of the raster's
   * @param guidance strength; 1 is none
   * @param tau temperature
   * @param padding the token that takes the place of the prompt in the unconditional row
   * @param device where it computes
   * @param traced whether intermediate tensors are remembered, for tests
   */
  JanusNetwork(
      WeightSource weights,
      JanusArchitecture architecture,
      int block,
      double guidance,
      double tau,
      long padding,
      Device device,
      boolean traced) {
    this.architecture = architecture;
    this.block = block;
    this.padding = padding;
    if (block < 1 || architecture.cells() % block != 0) {
      throw EspalierException.config(
          "The tokens of a step (%d) do not divide the %d of an image."
              .formatted(block, architecture.cells()),
          "Maybe set stepTokens to one of " + architecture.stepSizes() + ".");
    }
    WeightSpec spec = architecture.weights();
    DType dtype = TorchEngine.dtype(device, spec.parameters());
    TorchProgram.Builder builder =
        TorchProgram.builder("Janus")
            .text(TorchProgram.class, "decoder.py")
            .text(JanusNetwork.class, "kept_attention.py")
            .text(JanusNetwork.class, "categorical.py")
            .text(JanusNetwork.class, "janus.py")
            .text(JanusNetwork.class, "kept_memory.py")
            .attribute("depth", architecture.layers())
            .attribute("heads", architecture.heads())
            .attribute("kv_heads", architecture.keyValueHeads())
            .attribute("head_width", architecture.headWidth())
            .attribute("theta", architecture.ropeTheta())
            .attribute("eps", architecture.rmsNormEps())
            .attribute("aligner_layers", architecture.alignerLayers())
            .attribute("activation", architecture.activation())
            .attribute("guidance", guidance)
            .attribute("tau", tau)
            .attribute("attention", TorchEngine.attentionKernel(device, dtype))
            .device(device)
            .dtype(dtype);
    program = (traced ? builder.traced() : builder).load(weights, spec);
  }

  @Override
  TorchProgram program() {
    return program;
  }

  JanusArchitecture architecture() {
    return architecture;
  }

  /** Tokens of a step. */
  int block() {
    return block;
  }

  @Override
  int steps() {
    return architecture.cells() / block;
  }

  @Override
  int tokens(int step) {
    return 1;
  }

  @Override
  boolean drawsOnDevice() {
    return true;
  }

  @Override
  boolean drawsNeedPast() {
    return block > 1;
  }

  @Override
  TorchTensor emptyCode() {
    return TorchTensor.of(device(), new long[0], 1, 0);
  }

  /**
   * Reads a prompt.
   *
   * @param ids of the prompt, the mark of an image's beginning at the end
   * @param guided whether an unconditional row goes along, in which all but the first and the last
   *     token are padding
   */
  Shared condition(long[] ids, boolean guided) {
    int rows = guided ? 2 : 1;
    long[] all = rows(ids, guided, padding);
    try (TorchTensor given = TorchTensor.of(device(), all, rows, ids.length)) {
      List<TorchTensor> tensors = program.run("condition", given);
      long flops = architecture.conditionFlops(ids.length, rows);
      count(false, 0, rows, (long) rows * ids.length, flops);
      return new Shared(tensors, ids.length, rows);
    }
  }

  /** The rows of a prompt's tokens, one after the other. */
  static long[] rows(long[] ids, boolean guided, long padding) {
    long[] all = Arrays.copyOf(ids, (guided ? 2 : 1) * ids.length);
    if (guided) {
      Arrays.fill(all, ids.length, all.length, padding);
      all[ids.length] = ids[0];
      all[all.length - 1] = ids[ids.length - 1];
    }
    return all;
  }

  /**
   * Passes the last token of several trajectories of one prompt; at the beginning there is none,
   * and the prompt's own logits are taken.
   *
   * @param shared of the prompt
   * @param batch the trajectories
   * @param step from 0
   * @param replay whether this was done and counted before
   */
  List<Evaluation> step(Shared shared, List<Row> batch, int step, boolean replay) {
    int size = batch.size();
    if (step == 0) {
      return evaluations(program.call("first", shared.tensors(), size), null, size);
    }
    List<TorchTensor> results;
    try (Past past = past(batch)) {
      results =
          program.run(
              "step",
              shared.tensors(),
              batch.stream().map(Row::code).toList(),
              past.common(),
              past.own());
    }
    int rows = shared.rows();
    long flops = architecture.tokenFlops(shared.promptTokens(), rows, step * block - 1, 1, true);
    count(replay, size, (long) rows * size, (long) rows * size, flops * size);
    return evaluations(results.get(0), results.get(1), size);
  }

  /**
   * Draws children, all those of one evaluating call together.
   *
   * @param draws of parents that were evaluated at this step
   * @param sampler how
   * @param step from 0
   */
  List<Child> draw(List<Draw> draws, TokenSampler sampler, int step) {
    return drawCalls(draws, (logits, members) -> drawTogether(logits, members, sampler, step));
  }

  private List<Child> drawTogether(
      TorchTensor logits, List<Draw> members, TokenSampler sampler, int step) {
    Shared shared = members.get(0).shared();
    List<TorchTensor> results;
    List<Row> rows = members.stream().map(Draw::row).toList();
    try (TorchTensor numbers = numbers(members.stream().map(Draw::uniform).toList());
        Past past = past(rows)) {
      results =
          program.run(
              "draw",
              shared.tensors(),
              rows.stream().map(Row::code).toList(),
              logits,
              members.stream().mapToLong(draw -> draw.parent().index()).toArray(),
              past.common(),
              past.own(),
              numbers,
              sampler.topK(),
              sampler.topP(),
              block);
    }
    int size = members.size();
    long sequences = (long) size * shared.rows() * (block - 1);
    long flops =
        architecture.tokenFlops(
            shared.promptTokens(), shared.rows(), step * block, block - 1, true);
    count(false, 0, sequences, sequences, flops * size);
    TorchTensor made = results.remove(1);
    boolean keep = block > 1 && step + 1 < steps();
    if (!keep) {
      made.close();
      return children(results);
    }
    List<Evaluation> grown = grown(made, size);
    try {
      List<Child> drawn = children(results);
      return IntStream.range(0, size)
          .mapToObj(i -> new Child(drawn.get(i).logProb(), drawn.get(i).code(), grown.get(i)))
          .toList();
    } catch (RuntimeException e) {
      grown.forEach(Evaluation::close);
      throw e;
    }
  }

  @Override
  Evaluation regrow(Shared shared, Row row, int step) {
    long[] all = row.code().toLongs();
    long[] drawn = Arrays.copyOfRange(all, step * block, (step + 1) * block - 1);
    try (TorchTensor tokens = TorchTensor.of(device(), drawn, 1, drawn.length);
        Past past = past(List.of(row))) {
      TorchTensor made =
          program.call("feed", shared.tensors(), tokens, past.common(), past.own(), step * block);
      long sequences = (long) shared.rows() * drawn.length;
      long flops =
          architecture.tokenFlops(
              shared.promptTokens(), shared.rows(), step * block, drawn.length, false);
      count(true, drawn.length, sequences, sequences, flops);
      return grown(made, 1).get(0);
    }
  }

  /** Bytes of one token's keys and values. */
  private long tokenBytes(Shared shared) {
    return 2L
        * program.dtype().bytes()
        * shared.rows()
        * architecture.heads()
        * architecture.headWidth()
        * architecture.layers();
  }

  @Override
  long keptBytes(Shared shared, int step) {
    return step == 0 ? 0 : tokenBytes(shared);
  }

  @Override
  long workingBytes(Shared shared, int step) {
    // The past is joined for a call, whatever it is.
    return tokenBytes(shared) * (shared.promptTokens() + (long) step * block)
        + 4L * shared.rows() * (architecture.intermediateSize() + architecture.codes());
  }

  @Override
  long drawBytes(Shared shared, int step) {
    return 2 * tokenBytes(shared) * (block - 1)
        + 8L * 4 * architecture.codes()
        + 4L * shared.rows() * architecture.intermediateSize();
  }
}
