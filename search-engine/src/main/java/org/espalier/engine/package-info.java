/**
 * The engine: it runs a strategy against a model and verifiers, and mediates every call. Here live
 * the ledger, the ownership of native states, micro-batching, the escrow that guarantees an answer,
 * and the tree log.
 */
@API(status = API.Status.MAINTAINED, since = "0.1")
@NullMarked
package org.espalier.engine;

import org.apiguardian.api.API;
import org.jspecify.annotations.NullMarked;
