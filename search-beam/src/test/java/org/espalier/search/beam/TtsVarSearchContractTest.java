package org.espalier.search.beam;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.espalier.api.AutoInt;
import org.espalier.api.SearchStrategy;
import org.espalier.testkit.SearchTestKit;
import org.espalier.testkit.StrategyContract;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

class TtsVarSearchContractTest extends StrategyContract {
  @Override
  protected SearchStrategy strategy() {
    return new TtsVarSearchProvider().create(new TtsVarSearchConfig(AutoInt.AUTO, null, true));
  }

  @Test
  void followsThePublishedSchedule() {
    // 8 8 6 6 6 4 2 2 2 1 1 1 1 scales a member; images: 8 and 6 for clusters, 4 and 2 for scores,
    // and the end.
    SearchTestKit.strategy("tts-var", new TtsVarSearchConfig(AutoInt.of(1), 10.0, true))
        .run()
        .hasSpent(48, 8 + 6 + 4 + 2 + 1);
    SearchTestKit.strategy("tts-var", new TtsVarSearchConfig(AutoInt.of(4), 10.0, true))
        .run()
        .hasSpent(4 * 48, 4 * 21);
  }

  @Test
  void choosesOneOfEachCluster() {
    List<float[]> points = new ArrayList<>();
    for (float[] centre : new float[][] {{0, 0}, {5, 5}, {0, 9}}) {
      for (float off : new float[] {-0.4f, 0, 0.3f}) {
        points.add(new float[] {centre[0] + off, centre[1]});
      }
    }
    assertThat(Clusters.representatives(points, 3)).containsExactly(1, 4, 7);
    assertThat(Clusters.representatives(points, 9)).hasSize(9);
    List<float[]> same = List.of(new float[] {1}, new float[] {1}, new float[] {1});
    assertThat(Clusters.representatives(same, 2)).hasSize(2);
  }

  @Nested
  class WithoutClustering extends StrategyContract {
    @Override
    protected SearchStrategy strategy() {
      return new TtsVarSearchProvider().create(new TtsVarSearchConfig(AutoInt.AUTO, null, false));
    }
  }
}
