package org.espalier.models.diffusion;

import org.espalier.spi.ModelState;
import org.jspecify.annotations.Nullable;

/**
 * A noisy latent. It lies on the Java heap, because noise is made there and the numbers are few
 * beside a network evaluation; so it holds no native memory and depends on no other state. The
 * velocity is kept once it has been evaluated: siblings and previews share it.
 */
final class FlowState implements ModelState {
  private final int step;
  private float @Nullable [] latent;
  private float @Nullable [] velocity;
  private float @Nullable [] before;

  FlowState(int step, float[] latent) {
    this(step, latent, null);
  }

  /**
   * A state.
   *
   * @param step of the schedule
   * @param latent noisy
   * @param before the image predicted at the step before, where the sampler reads it
   */
  FlowState(int step, float[] latent, float @Nullable [] before) {
    this.step = step;
    this.latent = latent;
    this.before = before;
  }

  /** The image predicted at the step before, or null where the sampler reads none. */
  float @Nullable [] before() {
    return before;
  }

  @Override
  public int step() {
    return step;
  }

  float[] latent() {
    float[] open = latent;
    if (open == null) {
      throw new IllegalStateException("the state at step " + step + " is closed");
    }
    return open;
  }

  boolean isEvaluated() {
    return velocity != null;
  }

  void evaluated(float[] result) {
    velocity = result;
  }

  /** The velocity; an evaluation must have been kept. */
  float[] velocity() {
    float[] known = velocity;
    if (known == null) {
      throw new IllegalStateException("the state at step " + step + " has not been evaluated");
    }
    return known;
  }

  @Override
  public boolean dependsOnParent() {
    return false;
  }

  @Override
  public long nativeBytes() {
    return 0;
  }

  @Override
  public void close() {
    latent = null;
    velocity = null;
    before = null;
  }

  @Override
  public String toString() {
    return "FlowState at step " + step;
  }
}
