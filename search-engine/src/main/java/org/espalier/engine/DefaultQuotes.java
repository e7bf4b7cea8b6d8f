package org.espalier.engine;

import java.util.Map;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.api.Quotes;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Cost;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.ModelCard;
import org.espalier.spi.Verifier;
import org.espalier.spi.Work;

/** Quotes for one prompt; no network runs for them. */
final class DefaultQuotes implements Quotes {
  private final GenerativeModel model;
  private final Map<VerifierRole, Verifier> verifiers;
  private final Prompt prompt;
  private final ModelCard card;
  private final String id;

  /** Cost of rolling out from each step. */
  private final Cost[] completion;

  DefaultQuotes(GenerativeModel model, Map<VerifierRole, Verifier> verifiers, Prompt prompt) {
    this.model = model;
    this.verifiers = verifiers;
    this.prompt = prompt;
    this.card = NativeGate.guard(model.getClass().getName(), "card", model::card);
    this.id = card.id();
    this.completion = new Cost[card.horizon() + 1];
    completion[card.horizon()] = Cost.ZERO;
    for (int step = card.horizon() - 1; step >= 0; step--) {
      completion[step] = completion[step + 1].plus(expand(step, 1, false));
    }
  }

  /** Encoding the prompt. */
  Cost encode() {
    return quote(new Work.Encode(prompt));
  }

  @Override
  public Cost begin() {
    return quote(new Work.Begin());
  }

  @Override
  public Cost expand(int step, int draws, boolean cached) {
    Cost cost = quote(new Work.Step(prompt, step, draws, cached));
    if (cost.nfe() < draws) {
      throw new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          "The model (%s) quotes %d network evaluations for %d children at step %d."
              .formatted(id, cost.nfe(), draws, step),
          "Maybe count one for each child, cached or not: that is the published convention.");
    }
    return cost;
  }

  @Override
  public Cost complete(int fromStep) {
    return completion[fromStep];
  }

  Cost complete(int fromStep, boolean cached) {
    return cached && fromStep < card.horizon()
        ? expand(fromStep, 1, true).plus(completion[fromStep + 1])
        : completion[fromStep];
  }

  @Override
  public Cost rewind(int fromStep, int toStep) {
    return quote(new Work.Rewind(fromStep, toStep));
  }

  Cost decode(int step) {
    return quote(new Work.Decode(prompt, step));
  }

  private Cost quote(Work work) {
    return NativeGate.guard(id, "quote", () -> model.quote(work));
  }

  Cost judge(VerifierRole role) {
    Verifier verifier = verifiers.get(role);
    return verifier == null ? Cost.ZERO : judge(verifier, prompt, card.width(), card.height());
  }

  /** What one verdict of a verifier costs. */
  static Cost judge(Verifier verifier, Prompt prompt, int width, int height) {
    String id = NativeGate.id(verifier);
    Cost cost = NativeGate.guard(id, "quote", () -> verifier.quote(prompt, width, height, 1));
    if (cost.verifierCalls() != 1) {
      throw new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          "The verifier (%s) quotes %d calls for one image.".formatted(id, cost.verifierCalls()),
          "Maybe use Cost.verify(images, flops).");
    }
    return cost;
  }

  @Override
  public Cost verify(VerifierRole role, int step) {
    return decode(step).plus(judge(role));
  }

  /** What it takes to bring a trajectory at a step to a verdict. */
  Cost finish(int step, boolean evaluated) {
    return complete(step, evaluated).plus(verify(VerifierRole.SEARCH, card.horizon()));
  }

  @Override
  public Cost sample() {
    return begin().plus(finish(0, false));
  }
}
