/**
 * What a run leaves on disk: the log of its cells, their images, the run directory. Knows neither
 * the engine nor any plugin, so that what was recorded can be read without them.
 */
@org.jspecify.annotations.NullMarked
package org.espalier.records;
