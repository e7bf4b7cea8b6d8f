/**
 * Next-scale autoregressive models: Infinity (<a href="https://arxiv.org/abs/2412.04431">Han et al.
 * 2024</a>), which predicts an image's bits scale by scale.
 */
@NullMarked
package org.espalier.models.var;

import org.jspecify.annotations.NullMarked;
