/**
 * Searches over starting noise, which need nothing of a model but that it samples: one sample,
 * random search and best-of-N.
 *
 * @see <a href="https://arxiv.org/abs/2501.09732">Ma et al. 2025, Inference-time scaling for
 *     diffusion models beyond scaling denoising steps</a>
 */
@NullMarked
package org.espalier.search.bestofn;

import org.jspecify.annotations.NullMarked;
