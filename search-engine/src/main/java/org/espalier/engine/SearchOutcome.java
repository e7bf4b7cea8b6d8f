package org.espalier.engine;

import java.nio.file.Path;
import java.util.List;
import org.espalier.compute.Accuracy;
import org.espalier.compute.Budget;
import org.espalier.compute.LedgerSnapshot;
import org.espalier.spi.ImageFiles;
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
 * @param engineNanos wall time outside native calls and waiting, in nanoseconds
 * @param wallNanos wall time of the whole search, in nanoseconds, waiting included
 * @param waitNanos wall time spent waiting for other searches that use the same model or verifier,
 *     and for services to recover; no part of what the search itself takes
 * @param independent the share of the spend, from 0 to 1, that went into samples drawn
 *     independently of everything that the search had seen: 1 for best-of-n, and for a search whose
 *     budget was too small to search
 * @param failedVerdicts how many verdicts were failures
 * @param accuracy how far the account can be believed
 * @param budget under which the search ran: as it was asked for, and with caps where it bounded
 *     some verb not at all
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
    long wallNanos,
    long waitNanos,
    double independent,
    long failedVerdicts,
    Accuracy accuracy,
    Budget budget) {

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
   * Writes the answer as PNG; an existing file is replaced.
   *
   * @param file where
   */
  public void writePng(Path file) {
    ImageFiles.write(image, file);
  }

  /** What the search has cost and tried. */
  public SearchAccount account() {
    return new SearchAccount(
        ledger, tree, engineNanos, wallNanos, waitNanos, independent, failedVerdicts, accuracy);
  }

  /** Wall time of the search itself, in nanoseconds: the engine's and the native calls'. */
  public long ownNanos() {
    return Math.max(0, wallNanos - waitNanos);
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
