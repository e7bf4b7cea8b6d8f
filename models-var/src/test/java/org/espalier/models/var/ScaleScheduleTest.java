package org.espalier.models.var;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.espalier.models.var.ScaleSchedule.Grid;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ScaleScheduleTest {
  @ParameterizedTest
  @CsvSource({
    "0.06M, 1, 7, 16, 16, 521",
    "0.25M, 1, 10, 32, 32, 2521",
    "0.60M, 1, 12, 48, 48, 6425",
    "1M, 1, 13, 64, 64, 10521",
    "1M, 1.333, 13, 72, 54, 10973",
    "1M, 0.75, 13, 54, 72, 10973",
    "0.25M, 3, 10, 54, 18, 2588",
    "0.06M, 0.333, 7, 9, 27, 509"
  })
  void knowsThePublishedSchedules(
      String pn, double ratio, int scales, int height, int width, int tokens) {
    ScaleSchedule schedule = ScaleSchedule.published(pn, ratio);
    assertThat(schedule.size()).isEqualTo(scales);
    assertThat(schedule.last()).isEqualTo(new Grid(height, width));
    assertThat(schedule.get(0).tokens()).isEqualTo(1);
    assertThat(schedule.tokensBefore(scales)).isEqualTo(tokens);
    // whoever names the grids themselves gets the same positions
    assertThat(ScaleSchedule.of(schedule.scales())).isEqualTo(schedule);
  }

  @Test
  void placesTokensOnTheLargestGrid() {
    ScaleSchedule schedule = ScaleSchedule.published("0.06M", 1);
    assertThat(schedule.reference()).isEqualTo(new Grid(64, 64));
    assertThat(schedule.rows(1)).containsExactly(0, 0, 32, 32);
    assertThat(schedule.columns(1)).containsExactly(0, 32, 0, 32);
    // 64 / 6 = 10.67: 0, 10.67, 21.33, 32, 42.67, 53.33
    assertThat(java.util.Arrays.copyOf(schedule.columns(3), 6))
        .containsExactly(0, 11, 21, 32, 43, 53);
    // 64 / 12 * 9 = 48; halves go to the even neighbour, as at 20 / 8 * 5 = 12.5
    assertThat(
            new ScaleSchedule(List.of(new Grid(1, 1), new Grid(8, 8)), new Grid(20, 20))
                .rows(1)[5 * 8])
        .isEqualTo(12);
  }

  @Test
  void refusesWhatWasNeverPublished() {
    assertThatThrownBy(() -> ScaleSchedule.published("2M", 1))
        .hasMessageContaining("[CONFIG]")
        .hasMessageContaining("2M")
        .hasMessageContaining("0.06M");
    assertThatThrownBy(() -> ScaleSchedule.published("1M", 5))
        .hasMessageContaining("5.0")
        .hasMessageContaining("1.333");
    assertThatThrownBy(() -> ScaleSchedule.published("1M", Double.NaN)).hasMessageContaining("NaN");
    assertThatThrownBy(() -> ScaleSchedule.of(List.of())).hasMessageContaining("no scales");
    assertThatThrownBy(() -> ScaleSchedule.of(List.of(new Grid(2, 2))))
        .hasMessageContaining("2 x 2");
    assertThatThrownBy(() -> new Grid(0, 1)).hasMessageContaining("0 x 1");
  }
}
