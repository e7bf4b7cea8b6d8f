package org.espalier.verifiers;

import org.espalier.api.EspalierException;
import org.espalier.spi.PluginRef;
import org.espalier.spi.Verifier;
import org.jspecify.annotations.Nullable;

/**
 * Configuration of {@link QuestionListProvider}.
 *
 * @param judge who is asked: {@code id} and its own configuration, with {@code question: "{prompt}
 *     Answer in one word."} where it has such a key; its values must be probabilities
 * @param mean how the probabilities of a prompt's answers become one number; by default {@link
 *     Mean#GEOMETRIC}
 */
public record QuestionListConfig(PluginRef<Verifier> judge, Mean mean) {
  /** How probabilities become one number. */
  public enum Mean {
    /** Soft-TIFA GM, for whole prompts: one wrong answer spoils all. */
    GEOMETRIC,
    /** Soft-TIFA AM, for single answers. */
    ARITHMETIC
  }

  public QuestionListConfig(@Nullable PluginRef<Verifier> judge, @Nullable Mean mean) {
    if (judge == null) {
      throw EspalierException.config(
              "The list of questions has nobody who answers them.",
              "Maybe set judge: {id: qwen-vl, weights: DIR, question: \"{prompt} Answer in one"
                  + " word.\"}.")
          .about("judge");
    }
    this.judge = judge;
    this.mean = mean == null ? Mean.GEOMETRIC : mean;
  }
}
