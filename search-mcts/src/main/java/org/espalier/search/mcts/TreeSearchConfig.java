package org.espalier.search.mcts;

import org.espalier.api.AutoInt;
import org.espalier.api.Ranges;

/**
 * Parameters of Monte Carlo tree search.
 *
 * @param iterations roll-outs, positive, or {@code auto} (default): until the budget is spent
 * @param selection {@code uct} (default) or {@code puct}
 * @param exploration weight of the confidence term over values scaled to [0, 1], in [0, 100];
 *     default 0.05
 * @param wideningFactor a node visited n times may have {@code factor * n^exponent} children, in
 *     [0.1, 100]; default 2
 * @param wideningExponent see there; in [0, 1]; default 0.4
 * @param prior whether previews of new nodes are scored by the verifier of the role PRIOR, to be
 *     trusted in proportion to {@code exp(score / priorTemperature)}; default false. Needs the
 *     capability PREVIEW and {@code verifiers.prior}
 * @param priorTemperature in [1e-6, 1e6]; default 0.1
 * @param commits how often the root moves down to its most visited child, keeping what is known
 *     below it, evenly over the budget; in [0, 1000]; default 0
 */
public record TreeSearchConfig(
    AutoInt iterations,
    Selection selection,
    Double exploration,
    Double wideningFactor,
    Double wideningExponent,
    Boolean prior,
    Double priorTemperature,
    Integer commits) {
  public TreeSearchConfig {
    iterations = Checks.iterations(iterations);
    selection = selection == null ? Selection.UCT : selection;
    exploration = Checks.exploration(exploration);
    wideningFactor = Checks.wideningFactor(wideningFactor);
    wideningExponent = Checks.wideningExponent(wideningExponent);
    prior = prior != null && prior;
    priorTemperature =
        Ranges.between(
            1e-6,
            1e6,
            priorTemperature == null ? 0.1 : priorTemperature,
            "prior temperature",
            "strategy.priorTemperature");
    commits =
        Ranges.between(
            0, 1000, commits == null ? 0 : commits, "number of commits", "strategy.commits");
  }

  /** All by default. */
  public static TreeSearchConfig defaults() {
    return new TreeSearchConfig(AutoInt.AUTO, Selection.UCT, 0.05, 2.0, 0.4, false, 0.1, 0);
  }
}
