package org.espalier.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class NoiseTest {
  private static final DrawKey KEY = DrawKey.root(1);
  private static final Draw FIRST = Draw.fresh(KEY.child(1));
  private static final Draw SECOND = Draw.fresh(KEY.child(2));

  @Test
  void aMixHasUnitNorm() {
    Noise.Mix mix = (Noise.Mix) Draw.mix(List.of(FIRST, SECOND), 3, -4);
    assertThat(mix.weights()).containsExactly(0.6, -0.8);
    Noise.Mix huge = (Noise.Mix) Draw.mix(List.of(FIRST, SECOND), 1e300, 1e300);
    assertThat(huge.weights().get(0)).isCloseTo(Math.sqrt(0.5), within(1e-15));
    assertThat(mix.chosen(0.35)).isZero();
    assertThat(mix.chosen(0.37)).isEqualTo(1);
  }

  @Test
  void drawsOfTheSamePartsChooseByTheSameKeyAndDifferByTheirWeights() {
    Noise.Mix even = (Noise.Mix) Draw.mix(List.of(FIRST, SECOND), 1, 1);
    Noise.Mix uneven = (Noise.Mix) Draw.mix(List.of(FIRST, SECOND), 1, 2);
    assertThat(uneven.choice()).isEqualTo(even.choice());
    assertThat(uneven.identity()).isNotEqualTo(even.identity());
    assertThat(((Noise.Mix) Draw.mix(List.of(SECOND, FIRST), 1, 1)).choice())
        .isNotEqualTo(even.choice());
  }

  @Test
  void whatIsNoNoiseIsRefused() {
    for (Runnable wrong :
        List.<Runnable>of(
            () -> Draw.mix(List.of(FIRST, SECOND), 1),
            () -> Draw.mix(List.of(), new double[0]),
            () -> Draw.mix(List.of(FIRST), 0),
            () -> Draw.mix(List.of(FIRST, SECOND), Double.NaN, 1),
            () -> Draw.mix(List.of(FIRST, SECOND), 1, Double.POSITIVE_INFINITY),
            () -> Draw.mix(List.of(Draw.follow()), 1),
            () -> Draw.near(Draw.follow(), KEY, 0.5),
            () -> Draw.near(new Noise.Mode(), KEY, 0.5),
            () -> Draw.antithetic(new Noise.Mode()))) {
      assertThatThrownBy(wrong::run).hasMessageStartingWith("[PLUGIN_CONTRACT]");
    }
    assertThatThrownBy(() -> Draw.near(FIRST, KEY, 1.5)).hasMessageStartingWith("[CONFIG]");
  }

  /** Strategies written for 0.1 say so. */
  @Test
  @SuppressWarnings("deprecation")
  void theOlderNamesMeanTheSame() {
    assertThat(Noise.of(new Draw.Fresh(KEY))).isEqualTo(Noise.of(Draw.fresh(KEY)));
    assertThat(Noise.of(new Draw.Near(FIRST, KEY, 0.5)))
        .isEqualTo(Noise.of(Draw.near(FIRST, KEY, 0.5)));
  }

  @Test
  void laterChangesOfTheArgumentsDoNotShow() {
    List<Noise> parts = new ArrayList<>(List.of(Noise.of(FIRST)));
    List<Double> weights = Arrays.asList(1.0);
    Noise.Mix mix = new Noise.Mix(parts, weights);
    weights.set(0, 5.0);
    parts.clear();
    assertThat(mix).isEqualTo(Draw.mix(List.of(FIRST), 1));
  }
}
