/** The vocabulary of the compute ledger: costs, units, budgets, phases and snapshots. */
@API(status = API.Status.MAINTAINED, since = "0.1")
@NullMarked
package org.espalier.compute;

import org.apiguardian.api.API;
import org.jspecify.annotations.NullMarked;
