/**
 * Strict reading of YAML into records: every error names file, line and column, and the nearest
 * valid names.
 */
@NullMarked
package org.espalier.study.config;

import org.jspecify.annotations.NullMarked;
