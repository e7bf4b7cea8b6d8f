package org.espalier.models.diffusion;

import java.util.Map;
import java.util.TreeMap;
import java.util.function.IntToDoubleFunction;
import org.espalier.api.EspalierException;

/**
 * A sampler's configuration with everything filled in.
 *
 * @param kind one of {@link FlowSamplerConfig#KINDS}
 * @param steps evaluations a sample
 * @param shift the schedule's factor
 * @param noiseScale of the SDE samplers
 * @param times from 1 to 0, one more than steps
 */
@SuppressWarnings("ArrayRecordComponent") // made once a model, never compared
record FlowSampling(String kind, int steps, double shift, double noiseScale, double[] times) {
  /** As published in the rollover-budget paper's configurations. */
  private static final double NOISE_SCALE = 3;

  /** Times of a number of steps and a shift, such as {@link FlowSchedule#times}. */
  interface Schedule {
    double[] times(int steps, double shift);
  }

  /**
   * Fills in what a configuration leaves open.
   *
   * @param config what was asked for
   * @param usualSteps where no steps are asked for
   * @param usualShift from steps to the shift, where none is asked for
   * @param schedule from both to times
   */
  static FlowSampling of(
      FlowSamplerConfig config, int usualSteps, IntToDoubleFunction usualShift, Schedule schedule) {
    return of(config, "ode", usualSteps, usualShift, schedule);
  }

  /**
   * Fills in what a configuration leaves open.
   *
   * @param config what was asked for
   * @param usualKind where no sampler is asked for
   * @param usualSteps where no steps are asked for
   * @param usualShift from steps to the shift, where none is asked for
   * @param schedule from both to times
   */
  static FlowSampling of(
      FlowSamplerConfig config,
      String usualKind,
      int usualSteps,
      IntToDoubleFunction usualShift,
      Schedule schedule) {
    String kind = config.kind() == null ? usualKind : config.kind();
    Integer asked = config.steps();
    int steps = asked == null ? usualSteps : asked;
    Double fixed = config.shift();
    Double noise = config.noiseScale();
    double noiseScale = noise == null ? NOISE_SCALE : noise;
    if (fixed == null && kind.equals("vp-sde")) {
      // The variance-preserving times already dwell on noise; shifting them too would leave few
      // others.
      return new FlowSampling(kind, steps, 1, noiseScale, FlowSchedule.times(steps, 1));
    }
    double shift = fixed == null ? usualShift.applyAsDouble(steps) : fixed;
    return new FlowSampling(kind, steps, shift, noiseScale, schedule.times(steps, shift));
  }

  /**
   * Refuses the shift by resolution for a model that was not trained with it.
   *
   * @param config what was asked for
   * @param model its name
   */
  static void refuseResolutionShift(FlowSamplerConfig config, String model) {
    if (config.resolutionShift() != null) {
      throw EspalierException.config(
              "The sampler.resolutionShift (%s) is one of FLUX.1, not of %s."
                  .formatted(config.resolutionShift(), model),
              "Maybe remove it, or set sampler.shift.")
          .about("sampler.resolutionShift");
    }
  }

  /** The sampler that this asks for. */
  FlowSampler sampler() {
    return switch (kind) {
      case "sde" -> FlowSampler.sde(times, noiseScale);
      case "vp-sde" -> FlowSampler.vpSde(times, noiseScale);
      case "dpm++" -> FlowSampler.multistep(times);
      default -> FlowSampler.ode(times);
    };
  }

  /** What a model's card says of it. */
  Map<String, String> facts() {
    Map<String, String> facts = new TreeMap<>();
    facts.put("sampler", kind);
    facts.put("steps", Integer.toString(steps));
    facts.put("shift", Double.toString(shift));
    if (kind.endsWith("sde")) {
      facts.put("noiseScale", Double.toString(noiseScale));
    }
    return facts;
  }
}
