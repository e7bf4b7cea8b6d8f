package org.espalier.models.diffusion;

import org.espalier.spi.Conditioning;

/**
 * An encoded prompt.
 *
 * @param text what the transformer reads
 * @param truncated whether the prompt was longer than one of the encoders reads
 */
record FlowConditioning(FlowNetwork.Text text, boolean truncated) implements Conditioning {
  @Override
  public void close() {
    text.close();
  }
}
