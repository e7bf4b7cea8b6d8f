/** A strategy written as an outsider would: it sees the search API alone. */
@NullMarked
package org.espalier.examples;

import org.jspecify.annotations.NullMarked;
