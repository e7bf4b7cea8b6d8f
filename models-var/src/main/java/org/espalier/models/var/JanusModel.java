package org.espalier.models.var;

import java.util.List;
import java.util.Map;
import org.espalier.api.Noise;
import org.espalier.api.Prompt;
import org.espalier.compute.Cost;
import org.espalier.spi.WorkCounters;
import org.espalier.torch.TorchTensor;

/**
 * Janus-Pro (<a href="https://arxiv.org/abs/2501.17811">Chen et al. 2025</a>) as a step-wise
 * sampler: a raster drawn token by token, some of them a step. Every token counts as one evaluation
 * of the network, so a sample counts the same whatever a step is. Previews leave out what is not
 * yet drawn.
 */
final class JanusModel extends TokenModel {
  private final PromptIds text;
  private final JanusNetwork network;
  private final VqDecoder decoder;
  private final boolean guided;
  private final TokenSampler sampler;

  JanusModel(
      PromptIds text,
      JanusNetwork network,
      VqDecoder decoder,
      boolean guided,
      TokenSampler sampler,
      String weightsSha256,
      String programSha256,
      String licence,
      Map<String, String> facts) {
    super(
        network,
        new Card(
            "janus",
            weightsSha256,
            programSha256,
            licence,
            network.architecture().side() * decoder.architecture().stride(),
            network.architecture().side() * decoder.architecture().stride(),
            facts));
    this.text = text;
    this.network = network;
    this.decoder = decoder;
    this.guided = guided;
    this.sampler = sampler;
  }

  private int rows() {
    return guided ? 2 : 1;
  }

  @Override
  int promptTokens(String prompt) {
    return text.ids(prompt).length;
  }

  @Override
  Cost encodeCost(String prompt) {
    int tokens = promptTokens(prompt);
    long flops = network.architecture().conditionFlops(tokens, rows());
    return Cost.generate(0, rows(), (long) rows() * tokens, flops);
  }

  @Override
  KeptNetwork.Shared condition(Prompt prompt) {
    return network.condition(text.ids(prompt.text()), guided);
  }

  @Override
  Cost stepCost(int promptTokens, int step, int draws, boolean cached) {
    JanusArchitecture architecture = network.architecture();
    int block = network.block();
    int once = cached || step == 0 ? 0 : 1;
    long sequences = rows() * (once + (long) draws * (block - 1));
    int at = step * block;
    long flops =
        draws * architecture.tokenFlops(promptTokens, rows(), at, block - 1, true)
            + (once == 0 ? 0 : architecture.tokenFlops(promptTokens, rows(), at - 1, 1, true));
    return Cost.generate((long) draws * block, sequences, sequences, flops);
  }

  @Override
  List<KeptNetwork.Evaluation> step(
      KeptNetwork.Shared shared, List<KeptNetwork.Row> batch, int step, boolean replay) {
    return network.step(shared, batch, step, replay);
  }

  @Override
  float[] uniform(Noise noise, int step) {
    return sampler.uniform(noise, network.block(), step);
  }

  @Override
  List<KeptNetwork.Child> draw(List<KeptNetwork.Draw> draws, int step) {
    return network.draw(draws, sampler, step);
  }

  @Override
  long decodeFlops() {
    int side = network.architecture().side();
    return decoder.architecture().decodeFlops(side, side);
  }

  @Override
  TorchTensor pixels(TorchTensor code, int step, boolean wait) {
    int side = network.architecture().side();
    try (TorchTensor vectors = decoder.lookUp(code, side, side)) {
      return decoder.decodePixels(vectors, wait);
    }
  }

  @Override
  WorkCounters otherCounters() {
    return new WorkCounters(0, 0, decoder.flops(), decoder.images());
  }

  @Override
  List<? extends AutoCloseable> parts() {
    return List.of(decoder, text);
  }
}
