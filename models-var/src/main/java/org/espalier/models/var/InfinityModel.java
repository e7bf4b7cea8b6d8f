package org.espalier.models.var;

import java.util.List;
import java.util.Map;
import org.espalier.api.Noise;
import org.espalier.api.Prompt;
import org.espalier.compute.Cost;
import org.espalier.spi.WorkCounters;
import org.espalier.torch.TorchTensor;

/**
 * Infinity (<a href="https://arxiv.org/abs/2412.04431">Han et al. 2024</a>) as a step-wise sampler:
 * one step a scale. Every step is stochastic, incomplete states have previews, and states carry the
 * log-probability of their bits.
 */
public final class InfinityModel extends TokenModel {
  private final TextFeatures text;
  private final InfinityNetwork network;
  private final BsqTokenizer tokenizer;
  private final Guidance guidance;
  private final BitSampler sampler;

  InfinityModel(
      TextFeatures text,
      InfinityNetwork network,
      BsqTokenizer tokenizer,
      Guidance guidance,
      BitSampler sampler,
      String weightsSha256,
      String programSha256,
      String licence,
      Map<String, String> facts) {
    super(
        network,
        new Card(
            "infinity",
            weightsSha256,
            programSha256,
            licence,
            network.codeSize().width() * tokenizer.stride(),
            network.codeSize().height() * tokenizer.stride(),
            facts));
    this.text = text;
    this.network = network;
    this.tokenizer = tokenizer;
    this.guidance = guidance;
    this.sampler = sampler;
  }

  @Override
  Cost encodeCost(String prompt) {
    int textTokens = text.tokens(prompt);
    return Cost.generate(
        0,
        0,
        0,
        text.flops(textTokens)
            + network.architecture().conditionFlops(textTokens, guidance.rows()));
  }

  @Override
  int promptTokens(String prompt) {
    return text.tokens(prompt);
  }

  @Override
  KeptNetwork.Shared condition(Prompt prompt) {
    try (TorchTensor features = text.encode(prompt.text())) {
      return network.condition(features, guidance.guided());
    }
  }

  @Override
  Cost stepCost(int promptTokens, int step, int draws, boolean cached) {
    return network.stepCost(guidance, promptTokens, step, draws, cached);
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
    if (network.drawsOnDevice()) {
      return network.draw(draws, sampler.certain(), step);
    }
    return draws.stream()
        .map(
            draw -> {
              BitSampler.Drawn drawn = sampler.draw(draw.parent().logits(), draw.uniform());
              TorchTensor code = network.accept(draw.row().code(), drawn.bits(), step);
              return new KeptNetwork.Child(drawn.logProb(), code, null);
            })
        .toList();
  }

  @Override
  long decodeFlops() {
    return tokenizer.decodeFlops(network.codeSize());
  }

  @Override
  TorchTensor pixels(TorchTensor code, int step, boolean wait) {
    return tokenizer.decodePixels(code, wait);
  }

  @Override
  WorkCounters otherCounters() {
    return new WorkCounters(0, 0, text.flops() + tokenizer.flops(), tokenizer.images());
  }

  @Override
  List<? extends AutoCloseable> parts() {
    return List.of(tokenizer, text);
  }
}
