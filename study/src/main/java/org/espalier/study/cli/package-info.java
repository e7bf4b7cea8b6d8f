/** The command line {@code espalier}. */
@NullMarked
package org.espalier.study.cli;

import org.jspecify.annotations.NullMarked;
