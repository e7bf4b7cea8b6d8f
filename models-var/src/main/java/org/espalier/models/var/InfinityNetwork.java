package org.espalier.models.var;

import java.util.List;
import org.espalier.torch.DType;
import org.espalier.torch.Device;
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
final class InfinityNetwork extends NextScaleNetwork {
  private final InfinityArchitecture architecture;
  private final int codeChannels;
  private final @Nullable String kernels;

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
    this(Loaded.of(weights, schedule, codeChannels, levelEveryChunk, device, requested), schedule);
  }

  private InfinityNetwork(Loaded loaded, ScaleSchedule schedule) {
    super(
        loaded.program,
        schedule,
        loaded.architecture.depth(),
        loaded.architecture.width(),
        loaded.architecture.hidden(),
        true);
    this.architecture = loaded.architecture;
    this.codeChannels = loaded.codeChannels;
    this.kernels = loaded.kernels;
  }

  /** A program and what it was made of. */
  private record Loaded(
      InfinityArchitecture architecture,
      int codeChannels,
      @Nullable String kernels,
      TorchProgram program) {

    static Loaded of(
        WeightSource weights,
        ScaleSchedule schedule,
        int codeChannels,
        boolean levelEveryChunk,
        Device device,
        @Nullable DType requested) {
      WeightSource source = InfinityArchitecture.normalize(weights);
      InfinityArchitecture architecture = InfinityArchitecture.of(source);
      architecture.requireFit(weights.location(), schedule, codeChannels);
      WeightSpec spec = architecture.weights(source);
      DType dtype = requested != null ? requested : TorchEngine.dtype(device, spec.parameters());
      boolean fits = architecture.headWidth() == 64 || architecture.headWidth() == 128;
      String kernels = fits ? FusedKernels.sha256(device, dtype) : null;
      TorchProgram program =
          TorchProgram.builder("Infinity")
              .text(FusedKernels.mark(kernels))
              .text(InfinityNetwork.class, "kept_attention.py")
              .text(InfinityNetwork.class, "infinity.py")
              .text(InfinityNetwork.class, "kept_memory.py")
              .text(InfinityNetwork.class, "next_scale.py")
              .text(
                  InfinityNetwork.class,
                  kernels == null ? "scale_blocks.py" : "scale_blocks_fused.py")
              .attribute("depth", architecture.depth())
              .attribute("heads", architecture.heads())
              .attribute("head_width", architecture.headWidth())
              .attribute("pool_heads", architecture.poolHeads())
              .attribute("eps", 1e-6)
              .attribute("max_log_scale", Math.log(100))
              .attribute("code_scale", 1 / Math.sqrt(codeChannels))
              .attribute("patchify", architecture.bits() != codeChannels)
              .attribute("self_attention", "sa.")
              .attribute("rotary", true)
              .attribute("reads_text", true)
              .attribute("attention", TorchEngine.attentionKernel(device, dtype))
              .attribute(
                  "level_every",
                  levelEveryChunk
                      ? InfinityArchitecture.blocksPerChunk(weights)
                      : architecture.depth())
              .device(device)
              .dtype(dtype)
              .load(source, spec);
      return new Loaded(architecture, codeChannels, kernels, program);
    }
  }

  /** SHA-256 of the fused kernels that it uses; null where it uses none. */
  @Nullable String kernels() {
    return kernels;
  }

  InfinityArchitecture architecture() {
    return architecture;
  }

  private boolean patchified() {
    return architecture.bits() != codeChannels;
  }

  @Override
  long flops(int scale, int promptTokens, int rows, int headRows) {
    return architecture.stepFlops(schedule(), scale, promptTokens, rows, headRows);
  }

  /** Height and width of the summed code. */
  ScaleSchedule.Grid codeSize() {
    int factor = patchified() ? 2 : 1;
    return new ScaleSchedule.Grid(
        schedule().last().height() * factor, schedule().last().width() * factor);
  }

  /** A summed code of zeros. */
  @Override
  TorchTensor emptyCode() {
    ScaleSchedule.Grid size = codeSize();
    return TorchTensor.of(
        program().device(),
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
    List<TorchTensor> tensors = program().run("condition", text, guided);
    count(false, 0, 0, 0, architecture.conditionFlops(textTokens, guided ? 2 : 1));
    return new Shared(tensors, textTokens, guided ? 2 : 1);
  }

  /**
   * Draws children on the device, all those of one evaluating call together.
   *
   * @param draws of parents that were evaluated at this scale
   * @param certain a bit whose less probable outcome is at most as probable takes the other one
   * @param scale from 0
   * @return a child for each draw
   */
  List<Child> draw(List<Draw> draws, double certain, int scale) {
    return drawCalls(
        draws,
        (logits, members) ->
            draw(
                logits,
                members.stream().mapToLong(draw -> draw.parent().index()).toArray(),
                members.stream().map(draw -> draw.row().code()).toList(),
                members.stream().map(Draw::uniform).toList(),
                certain,
                scale));
  }

  /** The same from logits (N, tokens, 2 * bits), of which each child has its parent's index. */
  List<Child> draw(
      TorchTensor logits,
      long[] parents,
      List<TorchTensor> codes,
      List<float[]> uniform,
      double certain,
      int scale) {
    ScaleSchedule.Grid grid = schedule().get(scale);
    try (TorchTensor numbers = numbers(uniform)) {
      return children(
          program()
              .run("draw", codes, logits, parents, numbers, certain, grid.height(), grid.width()));
    }
  }

  /**
   * Adds a scale's bits to a summed code.
   *
   * @param code the summed code of the earlier scales
   * @param bits 0 or 1, (tokens, bits)
   * @param scale from 0
   */
  TorchTensor accept(TorchTensor code, byte[] bits, int scale) {
    ScaleSchedule.Grid grid = schedule().get(scale);
    try (TorchTensor drawn =
        TorchTensor.of(program().device(), bits, grid.tokens(), architecture.bits())) {
      return program().call("accept", code, drawn, grid.height(), grid.width());
    }
  }
}
