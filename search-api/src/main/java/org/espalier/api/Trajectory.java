package org.espalier.api;

import java.util.OptionalDouble;

/**
 * An opaque handle on a partial or complete sample. Handles belong to the search that made them and
 * live until {@link SearchContext#retainOnly} drops them or the search ends; the engine frees what
 * they stand for. Using a dropped or foreign handle is an error.
 */
public interface Trajectory {
  /** Number of this handle within its search, in order of creation. */
  long id();

  /** How many steps (scales, denoising steps) have been taken, from 0 to {@link #horizon}. */
  int step();

  /** How many steps a complete sample has. */
  int horizon();

  /** Whether the sample is complete. */
  default boolean isComplete() {
    return step() == horizon();
  }

  /** Log-probability of the draws taken so far, where the model has {@link Capability#LOG_PROB}. */
  OptionalDouble logProb();
}
