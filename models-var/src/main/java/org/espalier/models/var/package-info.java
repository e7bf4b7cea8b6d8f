/**
 * Autoregressive models. Infinity (<a href="https://arxiv.org/abs/2412.04431">Han et al. 2024</a>)
 * predicts an image's bits scale by scale, VAR (<a href="https://arxiv.org/abs/2404.02905">Tian et
 * al. 2024</a>) its tokens, Janus-Pro (<a href="https://arxiv.org/abs/2501.17811">Chen et al.
 * 2025</a>) a raster token by token. They share how keys and values are kept and siblings drawn.
 */
@NullMarked
package org.espalier.models.var;

import org.jspecify.annotations.NullMarked;
