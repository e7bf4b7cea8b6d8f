/**
 * Searches that advance a population of prefixes step by step: greedy token optimisation, beam
 * search, lookahead, particle steering, soft value-based decoding, TTS-VAR and adaptive pruning are
 * roles on one loop, {@code PopulationLoop}; rollover budget forcing has its own.
 *
 * @see <a href="https://arxiv.org/abs/2510.16751">Riise, Kaya, Papadopoulos 2025, Visual
 *     autoregressive models beat diffusion models on inference-time scaling</a>
 */
@NullMarked
package org.espalier.search.beam;

import org.jspecify.annotations.NullMarked;
