/**
 * Plugins by id, and strict reading of YAML into their configurations: every error names file, line
 * and column, and the nearest valid names.
 */
@NullMarked
package org.espalier.plugins;

import org.jspecify.annotations.NullMarked;
