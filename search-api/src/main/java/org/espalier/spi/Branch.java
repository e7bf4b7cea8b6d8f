package org.espalier.spi;

import java.util.List;
import org.espalier.api.Noise;

/**
 * A state to expand.
 *
 * @param state the parent, open, below the horizon
 * @param conditioning its encoded prompt
 * @param draws the noise of each child; not empty
 */
public record Branch(ModelState state, Conditioning conditioning, List<Noise> draws) {
  public Branch {
    draws = List.copyOf(draws);
  }
}
