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
}
