package org.espalier.engine;

import org.espalier.compute.Cost;

/**
 * A point of the anytime curve: the incumbent after a verification.
 *
 * @param spent everything charged up to here
 * @param node the incumbent's number
 * @param score its score
 */
public record IncumbentPoint(Cost spent, long node, double score) {}
