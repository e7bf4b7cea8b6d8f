/** Benchmarks: what the engine itself costs. */
@NullMarked
package org.espalier.bench;

import org.jspecify.annotations.NullMarked;
