package org.espalier.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.api.Verdict;
import org.espalier.compute.Cost;
import org.espalier.spi.Judgement;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierCard;
import org.espalier.spi.WorkCounters;
import org.junit.jupiter.api.Test;

class CostCardTest {
  private static final Prompt PROMPT = Prompt.of("p", "x");

  private record Fake(Verdict verdict) implements Verifier {
    @Override
    public VerifierCard card() {
      return new VerifierCard(
          "fake", "", "", "", "", java.util.OptionalInt.empty(), "", "", Map.of());
    }

    @Override
    public Cost quote(Prompt prompt, int width, int height, int images) {
      return Cost.verify(images, images * 1000L);
    }

    @Override
    public List<Verdict> verify(List<Judgement> batch) {
      return batch.stream().map(judgement -> verdict).toList();
    }

    @Override
    public WorkCounters counters() {
      return WorkCounters.ZERO;
    }

    @Override
    public void close() {}
  }

  @Test
  void takesTheBestTimeOfEachBatch() {
    // Two readings a repetition, two repetitions a batch.
    Deque<Long> clock =
        new ArrayDeque<>(List.of(0L, 70L, 100L, 150L, 0L, 80L, 80L, 400L, 0L, 640L, 700L, 1400L));

    CostCard card =
        CostCard.measure(new Fake(Verdict.scored(1)), PROMPT, 4, 4, 2, clock::removeFirst);

    assertThat(card).isEqualTo(new CostCard("fake", 1000, Map.of(1, 50L, 8, 10L, 32, 20L)));
    assertThat(clock).isEmpty();
  }

  @Test
  void refusesToTimeFailures() {
    assertThatThrownBy(
            () ->
                CostCard.measure(
                    new Fake(new Verdict.Failed("no metadata")), PROMPT, 4, 4, 1, () -> 0))
        .isInstanceOf(EspalierException.class)
        .hasMessageContaining("does not judge: no metadata");
    assertThatThrownBy(
            () -> CostCard.measure(new Fake(Verdict.scored(1)), PROMPT, 4, 4, 0, () -> 0))
        .hasMessageContaining("repetitions (0)");
  }
}
