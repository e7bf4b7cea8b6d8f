/**
 * Comparative studies: YAML to plan to run to records to statistics to report. The only module that
 * knows all others; nothing depends on it.
 */
@NullMarked
package org.espalier.study;

import org.jspecify.annotations.NullMarked;
