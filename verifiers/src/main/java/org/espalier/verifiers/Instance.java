package org.espalier.verifiers;

/**
 * Something that a detector saw.
 *
 * @param query which of the network's queries found it
 * @param label its class, from 0
 * @param score how sure the detector is, from 0 to 1
 * @param box where it is
 * @param mask 1 for each of its pixels, else 0; row-major, of the whole picture
 */
record Instance(int query, int label, double score, Box box, byte[] mask) {}
