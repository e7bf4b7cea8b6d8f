package org.espalier.models.var;

import java.util.List;
import java.util.Map;
import org.espalier.api.Noise;
import org.espalier.api.Prompt;
import org.espalier.compute.Cost;
import org.espalier.spi.WorkCounters;
import org.espalier.torch.TorchTensor;

/**
 * VAR (<a href="https://arxiv.org/abs/2404.02905">Tian et al. 2024</a>) as a step-wise sampler: one
 * step a scale, whose tokens are drawn from a codebook. Prompts are classes.
 */
final class VarModel extends TokenModel {
  private final VarNetwork network;
  private final VqDecoder decoder;
  private final Guidance guidance;
  private final TokenSampler sampler;
  private final ClassPrompts classes;

  VarModel(
      VarNetwork network,
      VqDecoder decoder,
      Guidance guidance,
      TokenSampler sampler,
      ClassPrompts classes,
      String weightsSha256,
      String programSha256,
      String licence,
      Map<String, String> facts) {
    super(
        network,
        new Card(
            "var",
            weightsSha256,
            programSha256,
            licence,
            network.schedule().last().width() * decoder.architecture().stride(),
            network.schedule().last().height() * decoder.architecture().stride(),
            facts));
    this.network = network;
    this.decoder = decoder;
    this.guidance = guidance;
    this.sampler = sampler;
    this.classes = classes;
  }

  @Override
  Cost encodeCost(String prompt) {
    classes.label(prompt);
    return Cost.generate(0, 0, 0, network.architecture().conditionFlops(guidance.rows()));
  }

  @Override
  int promptTokens(String prompt) {
    return 1;
  }

  @Override
  KeptNetwork.Shared condition(Prompt prompt) {
    return network.condition(classes.label(prompt.text()), guidance.guided());
  }

  @Override
  Cost stepCost(int promptTokens, int step, int draws, boolean cached) {
    ScaleSchedule.Grid size = network.schedule().last();
    long each = decoder.architecture().acceptFlops(size.height(), size.width());
    return network
        .stepCost(guidance, promptTokens, step, draws, cached)
        .plus(Cost.generate(0, 0, 0, draws * each));
  }

  @Override
  List<KeptNetwork.Evaluation> step(
      KeptNetwork.Shared shared, List<KeptNetwork.Row> batch, int step, boolean replay) {
    return network.step(shared, batch, step, guidance, replay);
  }

  @Override
  float[] uniform(Noise noise, int step) {
    return sampler.uniform(noise, network.tokens(step), step);
  }

  @Override
  List<KeptNetwork.Child> draw(List<KeptNetwork.Draw> draws, int step) {
    return network.draw(draws, sampler, step);
  }

  @Override
  long decodeFlops() {
    ScaleSchedule.Grid size = network.schedule().last();
    return decoder.architecture().decodeFlops(size.height(), size.width());
  }

  @Override
  TorchTensor pixels(TorchTensor code, int step, boolean wait) {
    return decoder.decodePixels(code, wait);
  }

  @Override
  WorkCounters otherCounters() {
    return new WorkCounters(0, 0, decoder.flops(), decoder.images());
  }

  @Override
  List<? extends AutoCloseable> parts() {
    return List.of(decoder);
  }
}
