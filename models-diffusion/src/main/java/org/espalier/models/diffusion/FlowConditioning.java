package org.espalier.models.diffusion;

import java.util.List;
import org.espalier.spi.Conditioning;
import org.espalier.torch.TorchTensor;

/**
 * An encoded prompt. Closing it frees its tensors.
 *
 * @param tensors what the transformer reads, each (1, ...): the sequence first, then what else it
 *     takes, such as a pooled vector
 * @param tokens of the sequence, padding included where the transformer reads it
 * @param truncated whether the prompt was longer than one of the encoders reads
 */
record FlowConditioning(List<TorchTensor> tensors, int tokens, boolean truncated)
    implements Conditioning {
  FlowConditioning {
    tensors = List.copyOf(tensors);
  }

  @Override
  public void close() {
    tensors.forEach(TorchTensor::close);
  }
}
