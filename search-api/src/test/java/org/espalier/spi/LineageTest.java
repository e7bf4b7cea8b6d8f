package org.espalier.spi;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import org.espalier.spi.Lineage.Relation;
import org.junit.jupiter.api.Test;

class LineageTest {
  private static VerifierCard card(String metric, Map<String, String> facts) {
    return new VerifierCard(metric, "", "", "", "", OptionalInt.empty(), "", metric, facts);
  }

  private static VerifierCard card(String metric, Set<String> families, Set<String> data) {
    return card(metric, new Lineage(families, data).facts());
  }

  @Test
  void theNearestRelationCounts() {
    VerifierCard clip = card("clip-score", Set.of("clip"), Set.of("web"));
    VerifierCard pick = card("pickscore", Set.of("clip", "clip-vit-h"), Set.of("pick-a-pic"));
    VerifierCard judge = card("judge", Set.of("qwen"), Set.of("pick-a-pic", "more"));
    VerifierCard rules = card("rules", Set.of(), Set.of());
    VerifierCard silent = card("other", Map.of("made-from", "clip"));

    assertThat(Lineage.relation(clip, clip)).isEqualTo(Relation.SAME_METRIC);
    assertThat(Lineage.relation(clip, pick)).isEqualTo(Relation.SAME_FAMILY);
    assertThat(Lineage.relation(pick, judge)).isEqualTo(Relation.SHARED_DATA);
    assertThat(Lineage.relation(clip, judge)).isEqualTo(Relation.INDEPENDENT);
    assertThat(Lineage.relation(rules, clip)).isEqualTo(Relation.INDEPENDENT);
    assertThat(Lineage.relation(clip, silent)).isEqualTo(Relation.UNKNOWN);
    assertThat(Relation.SHARED_DATA.label()).isEqualTo("shared-data");
  }

  @Test
  void composedVerifiersAreMadeFromAllTheirParts() {
    VerifierCard clip = card("clip-score", Set.of("clip"), Set.of());
    VerifierCard reward = card("reward", Set.of("blip"), Set.of("ratings"));
    Lineage both = Lineage.together(List.of(clip, reward)).orElseThrow();

    assertThat(both).isEqualTo(new Lineage(Set.of("blip", "clip"), Set.of("ratings")));
    assertThat(Lineage.of(card("both", both.facts()))).contains(both);
    assertThat(Lineage.together(List.of(clip, card("silent", Map.of())))).isEmpty();
  }
}
