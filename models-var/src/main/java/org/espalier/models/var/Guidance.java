package org.espalier.models.var;

import java.util.List;

/**
 * How samples are guided and tempered.
 *
 * @param cfg strength at each scale; 1 is none
 * @param tau temperature at each scale
 * @param onLogits whether guidance is applied to the logits
 * @param layers blocks, from 0, after whose output guidance is applied
 */
record Guidance(List<Double> cfg, List<Double> tau, boolean onLogits, List<Long> layers) {
  Guidance {
    cfg = List.copyOf(cfg);
    tau = List.copyOf(tau);
    layers = List.copyOf(layers);
  }

  /** Whether an unconditional row goes along. */
  boolean guided() {
    return cfg.stream().anyMatch(strength -> strength != 1);
  }

  /** Rows of one evaluation. */
  int rows() {
    return guided() ? 2 : 1;
  }

  long[] layerNumbers() {
    return layers.stream().mapToLong(Long::longValue).toArray();
  }
}
