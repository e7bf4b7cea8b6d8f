/**
 * Checkpoints on disk, without any engine: their configuration files, their hashes, the private
 * directory of what is unpacked, and the cache and hub of Hugging Face.
 */
@NullMarked
package org.espalier.weights;

import org.jspecify.annotations.NullMarked;
