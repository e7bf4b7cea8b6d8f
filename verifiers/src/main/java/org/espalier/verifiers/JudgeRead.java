package org.espalier.verifiers;

import java.util.List;
import org.espalier.torch.TorchTensor;

/**
 * What a vision-language model has read: keys and values of it, and the logits of what comes next.
 *
 * @param logits (1, vocabulary), float32
 * @param keys of all layers
 * @param values of all layers
 * @param next position of the token that follows
 */
record JudgeRead(TorchTensor logits, TorchTensor keys, TorchTensor values, long next)
    implements AutoCloseable {

  static JudgeRead of(List<TorchTensor> results, long next) {
    return new JudgeRead(results.get(0), results.get(1), results.get(2), next);
  }

  @Override
  public void close() {
    logits.close();
    keys.close();
    values.close();
  }
}
