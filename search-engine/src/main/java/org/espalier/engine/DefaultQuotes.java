package org.espalier.engine;

import java.util.Map;
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

  /** Cost of rolling out from each step. */
  private final Cost[] completion;

  DefaultQuotes(GenerativeModel model, Map<VerifierRole, Verifier> verifiers, Prompt prompt) {
    this.model = model;
    this.verifiers = verifiers;
    this.prompt = prompt;
    this.card = model.card();
    this.completion = new Cost[card.horizon() + 1];
    completion[card.horizon()] = Cost.ZERO;
    for (int step = card.horizon() - 1; step >= 0; step--) {
      completion[step] = completion[step + 1].plus(expand(step, 1, false));
    }
  }

  /** Encoding the prompt. */
  Cost encode() {
    return model.quote(new Work.Encode(prompt));
  }

  @Override
  public Cost begin() {
    return model.quote(new Work.Begin());
  }

  @Override
  public Cost expand(int step, int draws, boolean cached) {
    return model.quote(new Work.Step(prompt, step, draws, cached));
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
    return model.quote(new Work.Rewind(fromStep, toStep));
  }

  Cost decode(int step) {
    return model.quote(new Work.Decode(prompt, step));
  }

  Cost judge(VerifierRole role) {
    Verifier verifier = verifiers.get(role);
    return verifier == null ? Cost.ZERO : verifier.quote(prompt, card.width(), card.height(), 1);
  }

  @Override
  public Cost verify(VerifierRole role, int step) {
    return decode(step).plus(judge(role));
  }

  /** What it takes to bring a trajectory at a step to a verdict. */
  Cost finish(int step) {
    return completion[step].plus(verify(VerifierRole.SEARCH, card.horizon()));
  }

  @Override
  public Cost sample() {
    return begin().plus(finish(0));
  }
}
