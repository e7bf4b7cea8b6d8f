package org.espalier.engine;

import org.espalier.api.Verdict;
import org.espalier.api.VerifierRole;
import org.espalier.spi.RgbImage;

/** Receives every image that a search verifies, in order, before the strategy sees its verdict. */
@FunctionalInterface
public interface SearchListener {
  /** Listens to nothing. */
  SearchListener NONE = (node, role, image, verdict) -> {};

  /**
   * An image was judged.
   *
   * @param node number of the trajectory within its search
   * @param role which verifier judged
   * @param image the image, or the preview of an incomplete trajectory
   * @param verdict what it said
   */
  void verified(long node, VerifierRole role, RgbImage image, Verdict verdict);

  /**
   * The search has failed: what it had cost and tried by then. The failure is thrown after this.
   *
   * @param account of the search
   */
  default void failed(SearchAccount account) {}
}
