/**
 * Searches that grow a tree of trajectories and back values up from completed leaves.
 *
 * @see <a href="https://arxiv.org/abs/2506.20701">Jain et al. 2025, Diffusion tree sampling</a>
 * @see <a href="https://doi.org/10.1007/11871842_29">Kocsis and Szepesvari 2006, Bandit based
 *     Monte-Carlo planning</a>
 */
@NullMarked
package org.espalier.search.mcts;

import org.jspecify.annotations.NullMarked;
