package org.espalier.models.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class FlowScheduleTest {
  @Test
  void resolutionDependentTimesAreThePublishedOnes() {
    // Black Forest Labs' get_schedule(4, 16), as printed by the reference implementation.
    double[] times = FlowSchedule.times(4, FlowSchedule.resolutionShift(16));
    double[] published = {1.0, 0.8260643482208252, 0.6128659248352051, 0.3454189598560333, 0.0};
    assertThat(times).containsExactly(published, within(1e-6));
  }

  @Test
  void theFactorGoesThroughThePublishedPoints() {
    assertThat(FlowSchedule.resolutionShift(256)).isCloseTo(Math.exp(0.5), within(1e-12));
    assertThat(FlowSchedule.resolutionShift(4096)).isCloseTo(Math.exp(1.15), within(1e-12));
  }

  @Test
  void aFactorOfOneSpacesTimesEvenly() {
    assertThat(FlowSchedule.times(4, 1))
        .containsExactly(new double[] {1, .75, .5, .25, 0}, within(1e-12));
  }

  @Test
  void aFixedFactorShiftsTowardsNoise() {
    // shift t / (1 + (shift - 1) t) at t = 1/2 for shift 3
    assertThat(FlowSchedule.times(2, 3)).containsExactly(new double[] {1, .75, 0}, within(1e-12));
  }

  @Test
  void oneStepGoesFromNoiseToTheImage() {
    assertThat(FlowSchedule.times(1, 3)).containsExactly(1, 0);
  }
}
