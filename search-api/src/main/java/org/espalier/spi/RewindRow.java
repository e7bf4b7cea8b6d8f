package org.espalier.spi;

import org.espalier.api.Noise;

/**
 * A state to re-noise.
 *
 * @param state the state
 * @param conditioning its encoded prompt
 * @param toStep the earlier step
 * @param noise the noise added
 */
public record RewindRow(ModelState state, Conditioning conditioning, int toStep, Noise noise) {}
