package org.espalier.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class VerdictTest {
  @ParameterizedTest
  @ValueSource(doubles = {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY})
  void neitherAScoreNorAPartIsInfinite(double bad) {
    assertThatThrownBy(() -> Verdict.scored(bad))
        .isInstanceOf(EspalierException.class)
        .hasMessageContaining("A verifier returned a score (" + bad + ") that is not finite.");
    assertThatThrownBy(() -> new Verdict.Scored(1, Map.of("cosine", bad)))
        .isInstanceOf(EspalierException.class)
        .hasMessageContaining(
            "A verifier returned a part (cosine = " + bad + ") that is not finite.");
  }

  @Test
  void theLimitsOfDoubleAreScores() {
    assertThat(new Verdict.Scored(Double.MAX_VALUE, Map.of("least", -Double.MAX_VALUE)).value())
        .isEqualTo(Double.MAX_VALUE);
  }
}
