package org.espalier.engine;

import org.espalier.compute.Cost;
import org.espalier.spi.RgbImage;

/**
 * A point of the anytime curve: the incumbent after a verification.
 *
 * @param spent everything charged up to here
 * @param node the incumbent's number
 * @param score its score
 * @param image the incumbent
 */
public record IncumbentPoint(Cost spent, long node, double score, RgbImage image) {}
