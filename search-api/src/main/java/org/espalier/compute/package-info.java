/** The vocabulary of the compute ledger: costs, units, budgets, phases and snapshots. */
@NullMarked
package org.espalier.compute;

import org.jspecify.annotations.NullMarked;
