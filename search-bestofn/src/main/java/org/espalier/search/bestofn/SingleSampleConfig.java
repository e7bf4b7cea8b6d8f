package org.espalier.search.bestofn;

/** One sample has no parameters. */
public record SingleSampleConfig() {}
