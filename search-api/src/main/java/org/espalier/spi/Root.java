package org.espalier.spi;

/**
 * A trajectory to start.
 *
 * @param conditioning the encoded prompt
 * @param noise its noise
 */
public record Root(Conditioning conditioning, Noise noise) {}
