package org.espalier.study;

import org.espalier.api.Prompt;
import org.espalier.compute.Budget;
import org.espalier.records.Amount;

/**
 * One search of a study.
 *
 * @param key hash of everything that can change its result, hex
 * @param arm what is compared
 * @param model name of the model
 * @param prompt what is searched for
 * @param seed of the study's draws
 * @param level the budget as it was written
 * @param budget what it may spend
 */
public record Cell(
    String key,
    Study.Arm arm,
    String model,
    Prompt prompt,
    long seed,
    Amount level,
    Budget budget) {

  /** The first half of the key: the name of the cell's files. */
  public String file() {
    return key.substring(0, 32);
  }
}
