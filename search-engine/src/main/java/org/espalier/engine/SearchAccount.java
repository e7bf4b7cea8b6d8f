package org.espalier.engine;

import java.util.List;
import org.espalier.compute.Accuracy;
import org.espalier.compute.LedgerSnapshot;

/**
 * What a search has cost and tried, whether or not it has an answer.
 *
 * @param ledger what was charged
 * @param tree every trajectory of the search
 * @param engineNanos wall time outside native calls and waiting, in nanoseconds
 * @param wallNanos wall time of the whole search, in nanoseconds, waiting included
 * @param waitNanos wall time spent waiting for other searches and for services to recover
 * @param independent the share of the spend, from 0 to 1, that went into samples drawn
 *     independently of everything that the search had seen
 * @param failedVerdicts how many verdicts were failures
 * @param accuracy how far the account can be believed
 */
public record SearchAccount(
    LedgerSnapshot ledger,
    List<TreeNode> tree,
    long engineNanos,
    long wallNanos,
    long waitNanos,
    double independent,
    long failedVerdicts,
    Accuracy accuracy) {
  public SearchAccount {
    tree = List.copyOf(tree);
  }
}
