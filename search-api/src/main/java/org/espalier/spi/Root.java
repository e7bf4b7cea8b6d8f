package org.espalier.spi;

import org.espalier.api.Noise;

/**
 * A trajectory to start.
 *
 * @param conditioning the encoded prompt
 * @param noise its noise
 */
public record Root(Conditioning conditioning, Noise noise) {}
