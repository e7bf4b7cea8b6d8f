/**
 * Numbers from noise, as every model draws them: keyed, counter-based, the same on every machine.
 */
@org.jspecify.annotations.NullMarked
package org.espalier.noise;
