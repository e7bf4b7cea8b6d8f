/**
 * Rectified-flow models: FLUX.1 (<a href="https://github.com/black-forest-labs/flux">Black Forest
 * Labs</a>) in its published key layouts, with ODE and SDE samplers that search can branch. The
 * state of a trajectory is its noisy latent alone; {@code t = 1} is noise, {@code t = 0} the image:
 * {@code x_t = (1 - t) x_0 + t e}, and the network predicts the velocity {@code e - x_0} (<a
 * href="https://arxiv.org/abs/2209.03003">rectified flow</a>).
 */
@NullMarked
package org.espalier.models.diffusion;

import org.jspecify.annotations.NullMarked;
