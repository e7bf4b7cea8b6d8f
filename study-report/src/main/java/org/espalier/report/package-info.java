/** From records to statistics, tables and a report that is one file. */
@NullMarked
package org.espalier.report;

import org.jspecify.annotations.NullMarked;
