package org.espalier.testkit;

import java.util.EnumSet;
import java.util.Set;
import org.espalier.api.Capability;
import org.espalier.api.Noise;

/**
 * A flow model in miniature: a root is Gaussian noise, each step evaluates the network once and
 * moves all coordinates, states stand alone. With {@code ode} the root's noise is the only one;
 * with {@code sde} every step but the last adds its own. It previews the predicted end and rewinds.
 */
public final class ToyFlowModel extends ToyModel {

  /** How it samples. */
  public enum Sampler {
    /** Deterministic after the root. */
    ODE,
    /** Noise at every step but the last. */
    SDE
  }

  private static final long TOKENS = 64;

  /** So that a verdict is a few hundredths of a sample, as of published models. */
  private static final long FLOPS = 1_000_000;

  private static final double STEP_NOISE = 0.35;
  private final Sampler sampler;
  private final int steps;

  /**
   * @param sampler ODE or SDE
   * @param steps denoising steps, at least 2
   */
  public ToyFlowModel(Sampler sampler, int steps) {
    super("toy-flow", steps, capabilities(sampler), stochastic(sampler, steps), 1);
    this.sampler = sampler;
    this.steps = steps;
  }

  /** A deterministic sampler of 10 steps. */
  public static ToyFlowModel ode() {
    return new ToyFlowModel(Sampler.ODE, 10);
  }

  /** A stochastic sampler of 10 steps. */
  public static ToyFlowModel sde() {
    return new ToyFlowModel(Sampler.SDE, 10);
  }

  @Override
  public String toString() {
    return super.toString() + ", " + sampler.name().toLowerCase(java.util.Locale.ROOT);
  }

  private static Set<Capability> capabilities(Sampler sampler) {
    Set<Capability> all = EnumSet.of(Capability.PREVIEW, Capability.REWIND);
    if (sampler == Sampler.SDE) {
      all.add(Capability.STOCHASTIC_STEP);
    }
    return all;
  }

  private static java.util.function.IntPredicate stochastic(Sampler sampler, int steps) {
    return step -> sampler == Sampler.SDE && step < steps - 1;
  }

  @Override
  long rowsPerEvaluation() {
    return 1;
  }

  @Override
  long tokens(int step) {
    return TOKENS;
  }

  @Override
  long flops(int step) {
    return FLOPS;
  }

  @Override
  int painted(int step) {
    return 1;
  }

  @Override
  double[] root(Noise noise) {
    return ToyNoise.gaussians(noise, ToyNoise.ROOT, CHANNELS);
  }

  @Override
  double[] next(ToyState parent, Noise noise) {
    int step = parent.step();
    double[] values = parent.values.clone();
    boolean noisy = sampler == Sampler.SDE && step < steps - 1;
    double[] gaussians = noisy ? ToyNoise.gaussians(noise, step, CHANNELS) : new double[CHANNELS];
    for (int i = 0; i < CHANNELS; i++) {
      // A volume-preserving swirl that mixes neighbouring coordinates a little at each step.
      values[i] += 0.1 * parent.values[(i + 1) % CHANNELS] - 0.01 * parent.values[i];
      values[i] += STEP_NOISE * gaussians[i];
    }
    return values;
  }

  @Override
  double[] renoise(ToyState from, int toStep, Noise noise) {
    double[] values = from.values.clone();
    double[] gaussians = ToyNoise.gaussians(noise, ToyNoise.ROOT, CHANNELS);
    double share = (from.step() - toStep) / (double) steps;
    for (int i = 0; i < CHANNELS; i++) {
      values[i] = StrictMath.sqrt(1 - share) * values[i] + StrictMath.sqrt(share) * gaussians[i];
    }
    return values;
  }

  @Override
  boolean dependent(int step) {
    return false;
  }

  @Override
  long bytes(int step) {
    return 1024;
  }

  @Override
  int pixel(ToyState state, int column, int channel) {
    double value = state.values[channel];
    double scale = sampler == Sampler.SDE ? 1.5 : 1.0;
    return (int) Math.rint(127.5 + 127.5 * StrictMath.tanh(0.6 * value / scale));
  }
}
