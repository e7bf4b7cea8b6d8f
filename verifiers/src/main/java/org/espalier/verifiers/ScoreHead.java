package org.espalier.verifiers;

import java.util.ArrayList;
import java.util.List;
import org.espalier.torch.Flops;
import org.espalier.torch.WeightSource;
import org.espalier.torch.WeightSpec;

/**
 * The five linear layers, without activations between them, that turn an embedding into a score:
 * the head of ImageReward and LAION's aesthetic predictor. Their numbers in the keys (0, 2, 4, 6,
 * 7) skip the dropouts of training.
 *
 * @param widths of the input and of each layer's output; the last is 1
 */
record ScoreHead(List<Integer> widths) {
  private static final int[] NUMBERS = {0, 2, 4, 6, 7};

  static ScoreHead of(WeightSource source, String prefix, String model) {
    List<Integer> widths = new ArrayList<>();
    widths.add(Checkpoint.size(source, prefix + "0.weight", 1, model));
    for (int number : NUMBERS) {
      widths.add(Checkpoint.size(source, prefix + number + ".weight", 0, model));
    }
    return new ScoreHead(List.copyOf(widths));
  }

  /** Expects its keys: each layer as wide as the one before says, and one number at the end. */
  void expect(WeightSpec.Builder spec, WeightSource source, String prefix, int inputWidth) {
    for (int i = 0; i < NUMBERS.length; i++) {
      Checkpoint.dense(
          spec,
          source,
          prefix + NUMBERS[i],
          i == NUMBERS.length - 1 ? 1 : widths.get(i + 1),
          i == 0 ? inputWidth : widths.get(i));
    }
  }

  /** Operations on one embedding. */
  long flops() {
    long flops = 0;
    for (int i = 0; i < NUMBERS.length; i++) {
      flops += Flops.linear(1, widths.get(i), widths.get(i + 1));
    }
    return flops;
  }
}
