/**
 * The engine: it runs a strategy against a model and verifiers, and mediates every call. Here live
 * the ledger, the ownership of native states, micro-batching, the escrow that guarantees an answer,
 * and the tree log.
 */
@NullMarked
package org.espalier.engine;

import org.jspecify.annotations.NullMarked;
