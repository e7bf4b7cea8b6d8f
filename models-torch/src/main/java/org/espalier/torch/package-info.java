/**
 * Network programs on DJL's PyTorch engine: readable TorchScript texts over the weights of
 * published checkpoints, with no Python. See {@link org.espalier.torch.TorchProgram}.
 */
@NullMarked
package org.espalier.torch;

import org.jspecify.annotations.NullMarked;
