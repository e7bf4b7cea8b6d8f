package org.espalier.plugins;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import org.espalier.spi.NoEffectOnResults;
import org.espalier.spi.PluginRef;
import org.espalier.spi.Verifier;
import org.junit.jupiter.api.Test;

class CanonicalKeyTest {
  private record Served(@NoEffectOnResults String endpoint, String model) {}

  private record Member(PluginRef<Verifier> plugin, double weight) {}

  private record Several(List<Member> members) {}

  @Test
  void whatCannotChangeAResultIsNoPartOfTheKey() {
    Served before = new Served("http://one", "judge");
    Served after = new Served("http://two", "judge");
    assertThat(Canonical.json(before)).isNotEqualTo(Canonical.json(after));
    assertThat(Canonical.json(Canonical.key(before)))
        .isEqualTo(Canonical.json(Canonical.key(after)))
        .isEqualTo("{\"model\":\"judge\"}");
  }

  @Test
  void aMemberIsWrittenAsOneMapping() {
    PluginRef<Verifier> clip = PluginRef.verifier(Map.of("id", "clip", "weights", "nano"));
    assertThat(Canonical.json(new Several(List.of(new Member(clip, 2)))))
        .isEqualTo("{\"members\":[{\"id\":\"clip\",\"weight\":2.0,\"weights\":\"nano\"}]}");
  }
}
