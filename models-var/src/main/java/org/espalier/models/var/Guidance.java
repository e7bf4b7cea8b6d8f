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

  /**
   * Whether a scale mixes its rows at all. The reference mixes nothing at a strength of exactly 1:
   * the rows stay apart, and so do their keys and values, which later scales see.
   *
   * @param scale from 0
   */
  private boolean mixes(int scale) {
    return cfg.get(scale) != 1;
  }

  /**
   * Whether a scale's logits are mixed.
   *
   * @param scale from 0
   */
  boolean onLogits(int scale) {
    return onLogits && mixes(scale);
  }

  /**
   * The blocks after whose output a scale is mixed.
   *
   * @param scale from 0
   */
  long[] layers(int scale) {
    return mixes(scale) ? layers.stream().mapToLong(Long::longValue).toArray() : new long[0];
  }
}
