package org.espalier.cli;

import java.io.PrintWriter;

/**
 * Where commands write.
 *
 * @param out results
 * @param err progress, notes and errors
 * @param interactive whether a person watches, so that a bar may be drawn
 */
public record Terminal(PrintWriter out, PrintWriter err, boolean interactive) {}
