package org.espalier.spi;

import java.util.OptionalDouble;

/**
 * A model's side of one trajectory. It holds only what it adds to its parent; the engine counts
 * references and closes it once, never before a state that depends on it. Implementations contain
 * no counting code.
 */
public interface ModelState extends AutoCloseable {
  /** Steps taken, from 0 to the horizon. */
  int step();

  /** Whether this state reads its parent's memory, so that the parent must stay open. */
  boolean dependsOnParent();

  /** Bytes of native memory that closing this state frees. May grow when it is expanded. */
  long nativeBytes();

  /**
   * Log-probability of the draws so far, for models with {@code LOG_PROB}: natural, 0 for a root,
   * not rising from parent to child, and greatest among siblings for {@link
   * org.espalier.api.Noise.Mode}.
   */
  default OptionalDouble logProb() {
    return OptionalDouble.empty();
  }

  @Override
  void close();
}
