package org.espalier.models.var;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.espalier.torch.DType;
import org.espalier.torch.Device;
import org.espalier.torch.TorchEngine;
import org.espalier.torch.TorchProgram;
import org.espalier.torch.TorchTensor;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;

/**
 * The transformer of VAR: conditioning once a class, one evaluation a scale. What is drawn is the
 * sum of the scales' vectors, which its decoder makes. Thread-safe.
 */
final class VarNetwork extends NextScaleNetwork {
  private final VarArchitecture architecture;
  private final VqDecoder decoder;

  /**
   * Loads a transformer.
   *
   * @param weights normalized weights
   * @param architecture their sizes
   * @param decoder with the codebook; not owned
   * @param eps added to variances by its norms; 1e-6 in the published models
   * @param device where it computes
   * @param traced whether intermediate tensors are remembered, for tests
   */
  VarNetwork(
      WeightSource weights,
      VarArchitecture architecture,
      VqDecoder decoder,
      double eps,
      Device device,
      boolean traced) {
    super(
        load(weights, architecture, eps, device, traced),
        architecture.schedule(),
        architecture.depth(),
        architecture.width(),
        architecture.hidden(),
        false);
    this.architecture = architecture;
    this.decoder = decoder;
  }

  private static TorchProgram load(
      WeightSource weights,
      VarArchitecture architecture,
      double eps,
      Device device,
      boolean traced) {
    WeightSpec spec = architecture.weights();
    DType dtype = TorchEngine.dtype(device, spec.parameters());
    ScaleSchedule schedule = architecture.schedule();
    TorchProgram.Builder builder =
        TorchProgram.builder("Var")
            .text(VarNetwork.class, "kept_attention.py")
            .text(VarNetwork.class, "categorical.py")
            .text(VarNetwork.class, "var.py")
            .text(VarNetwork.class, "kept_memory.py")
            .text(VarNetwork.class, "next_scale.py")
            .text(VarNetwork.class, "scale_blocks.py")
            .attribute("depth", architecture.depth())
            .attribute("heads", architecture.heads())
            .attribute("head_width", architecture.headWidth())
            .attribute("eps", eps)
            .attribute("max_log_scale", Math.log(100))
            .attribute(
                "before",
                IntStream.range(0, schedule.size()).mapToObj(schedule::tokensBefore).toList())
            .attribute("self_attention", "attn.")
            .attribute("rotary", false)
            .attribute("reads_text", false)
            .attribute("attention", TorchEngine.attentionKernel(device, dtype))
            .attribute("level_every", architecture.depth())
            .device(device)
            .dtype(dtype);
    return (traced ? builder.traced() : builder).load(weights, spec);
  }

  VarArchitecture architecture() {
    return architecture;
  }

  @Override
  long flops(int scale, int promptTokens, int rows, int headRows) {
    return architecture.stepFlops(schedule(), scale, rows, headRows);
  }

  @Override
  boolean drawsOnDevice() {
    return true;
  }

  @Override
  TorchTensor emptyCode() {
    return decoder.zeros(schedule().last().height(), schedule().last().width());
  }

  /**
   * Computes what all scales of a class share.
   *
   * @param label of the class
   * @param guided whether an unconditional row goes along
   */
  Shared condition(int label, boolean guided) {
    long[] labels = guided ? new long[] {label, architecture.classes()} : new long[] {label};
    try (TorchTensor given = TorchTensor.of(device(), labels, labels.length)) {
      List<TorchTensor> tensors = program().run("condition", given);
      count(false, 0, 0, 0, architecture.conditionFlops(labels.length));
      return new Shared(tensors, 1, labels.length);
    }
  }

  /**
   * Draws children, all those of one evaluating call together.
   *
   * @param draws of parents that were evaluated at this scale
   * @param sampler how
   * @param scale from 0
   */
  List<Child> draw(List<Draw> draws, TokenSampler sampler, int scale) {
    return drawCalls(
        draws,
        (logits, members) -> {
          long[] parents = members.stream().mapToLong(draw -> draw.parent().index()).toArray();
          List<TorchTensor> drawn;
          try (TorchTensor numbers = numbers(members.stream().map(Draw::uniform).toList())) {
            drawn = program().run("draw", logits, parents, numbers, sampler.topK(), sampler.topP());
          }
          try (TorchTensor tokens = drawn.get(1)) {
            List<TorchTensor> results = new ArrayList<>(List.of(drawn.get(0)));
            results.addAll(
                accept(members.stream().map(draw -> draw.row().code()).toList(), tokens, scale));
            return children(results);
          } catch (RuntimeException e) {
            drawn.get(0).close();
            throw e;
          }
        });
  }

  /**
   * Adds a scale's tokens to summed codes.
   *
   * @param codes of as many trajectories
   * @param tokens (k, tokens)
   * @param scale from 0
   */
  List<TorchTensor> accept(List<TorchTensor> codes, TorchTensor tokens, int scale) {
    return decoder.accept(codes, tokens, schedule().get(scale), scale, steps());
  }
}
