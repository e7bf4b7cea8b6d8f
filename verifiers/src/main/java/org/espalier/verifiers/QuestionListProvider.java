package org.espalier.verifiers;

import java.util.List;
import org.espalier.api.EspalierException;
import org.espalier.spi.Closing;
import org.espalier.spi.LoadContext;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierCard;
import org.espalier.spi.VerifierProvider;

/**
 * Soft-TIFA (Kamath et al. 2025, <a href="https://arxiv.org/abs/2512.16853">GenEval 2</a>): each
 * prompt has a list of questions, any verifier that gives probabilities answers them, and the score
 * is the geometric mean of the probabilities of the right answers.
 */
public final class QuestionListProvider implements VerifierProvider<QuestionListConfig> {
  @Override
  public String id() {
    return "question-list";
  }

  @Override
  public Class<QuestionListConfig> configType() {
    return QuestionListConfig.class;
  }

  @Override
  public void check(QuestionListConfig config, LoadContext context) {
    config.judge().check(context);
  }

  @Override
  public Verifier load(QuestionListConfig config, LoadContext context) {
    Verifier judge = config.judge().load(context);
    try {
      requireFit(judge.card());
      return new QuestionListVerifier(config.mean(), judge);
    } catch (RuntimeException e) {
      Closing.after(List.of(judge), e);
      throw e;
    }
  }

  private static void requireFit(VerifierCard judge) {
    if (!judge.range().startsWith("[0, 1]")) {
      throw EspalierException.config(
          "The values of the judge (%s) are no probabilities, but %s."
              .formatted(judge.id(), judge.range()),
          "Maybe use a vision-language model that is asked yes or no, such as qwen-vl or served.");
    }
    String question = judge.facts().getOrDefault("question", ServedConfig.PLACE);
    if (!question.startsWith(ServedConfig.PLACE)) {
      throw EspalierException.config(
          "The judge (%s) would put each question into another: %s".formatted(judge.id(), question),
          "Maybe add question: \"{prompt} Answer in one word.\" to the judge.");
    }
  }
}
