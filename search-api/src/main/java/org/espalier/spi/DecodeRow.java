package org.espalier.spi;

/**
 * A state to decode.
 *
 * @param state the state; incomplete ones give a preview
 * @param conditioning its encoded prompt
 */
public record DecodeRow(ModelState state, Conditioning conditioning) {}
