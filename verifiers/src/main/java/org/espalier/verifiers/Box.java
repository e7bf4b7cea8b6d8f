package org.espalier.verifiers;

/**
 * A rectangle of pixels.
 *
 * @param left first column
 * @param top first row
 * @param right first column beyond it
 * @param bottom first row beyond it
 */
record Box(double left, double top, double right, double bottom) {}
