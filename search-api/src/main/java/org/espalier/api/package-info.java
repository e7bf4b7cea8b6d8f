/**
 * All that a search strategy may import: the verbs of a search and the values that they exchange.
 *
 * <p>A strategy is ordinary imperative code over opaque {@link org.espalier.api.Trajectory}
 * handles. Every effect passes one gate, the {@link org.espalier.api.SearchContext}, so accounting,
 * ownership, batching, replay and the tree log can be neither forgotten nor evaded.
 */
@API(status = API.Status.MAINTAINED, since = "0.1")
@NullMarked
package org.espalier.api;

import org.apiguardian.api.API;
import org.jspecify.annotations.NullMarked;
