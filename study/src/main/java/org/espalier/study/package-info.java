/**
 * Comparative studies: YAML to plan to run to records. Sees plugins through their registry, never
 * by name.
 */
@NullMarked
package org.espalier.study;

import org.jspecify.annotations.NullMarked;
