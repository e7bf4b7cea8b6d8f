package org.espalier.engine;

import java.util.List;
import org.espalier.compute.LedgerSnapshot;
import org.espalier.spi.RgbImage;
import org.jspecify.annotations.Nullable;

/**
 * What a search ended with.
 *
 * @param stop why it ended
 * @param best number of the answer's node
 * @param score the answer's score by the search verifier
 * @param incumbent number of the best complete sample verified anywhere in the search
 * @param incumbentScore its score
 * @param image the answer
 * @param incumbentImage the incumbent's image; the same as {@code image} unless the strategy
 *     answered with another sample
 * @param ledger what was charged
 * @param remaining what was left in the budget's unit
 * @param curve the incumbent after each verification that changed it
 * @param tree every trajectory of the search
 * @param engineNanos wall time outside native calls, in nanoseconds
 * @param wallNanos wall time of the whole search, in nanoseconds
 */
public record SearchOutcome(
    Stop stop,
    long best,
    double score,
    long incumbent,
    double incumbentScore,
    RgbImage image,
    RgbImage incumbentImage,
    LedgerSnapshot ledger,
    double remaining,
    List<IncumbentPoint> curve,
    List<TreeNode> tree,
    long engineNanos,
    long wallNanos) {

  /** Why a search ended. */
  public enum Stop {
    /** The strategy returned. */
    FINISHED,
    /** A verb was refused and the engine answered with the incumbent. */
    EXHAUSTED,
    /** A verb was refused before any sample was verified; the engine finished one from escrow. */
    ESCROW
  }

  public SearchOutcome {
    curve = List.copyOf(curve);
    tree = List.copyOf(tree);
  }

  /**
   * The incumbent's score at a spend, or null before the first verified sample.
   *
   * @param unit the unit of the spend
   * @param spend how much had been spent
   */
  public @Nullable Double scoreAt(org.espalier.compute.ComputeUnit unit, double spend) {
    Double score = null;
    for (IncumbentPoint point : curve) {
      if (unit.of(point.spent()) <= spend) {
        score = point.score();
      }
    }
    return score;
  }
}
