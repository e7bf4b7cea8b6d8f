package org.espalier.plugins;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** The one textual form of a configuration. */
class CanonicalTest {

  @Test
  void aKeyMadeOfATemplateIsTheHashOfTheWholeObject() {
    Map<String, Object> all =
        Map.of(
            "seed",
            3L,
            "arm",
            "a \"b\"",
            "prompt",
            Map.of("text", "é\n", "id", "0"),
            "x",
            List.of());
    for (List<String> varied :
        List.of(List.of("prompt", "seed"), List.of("arm"), List.of("arm", "x"), List.of("x"))) {
      SortedMap<String, String> shared = new TreeMap<>();
      all.forEach((name, value) -> shared.put(name, Canonical.json(value)));
      varied.forEach(shared::remove);
      Canonical.Template template = new Canonical.Template(shared, varied);
      template.sha256(varied.toArray(String[]::new));
      assertThat(
              template.sha256(
                  varied.stream()
                      .map(name -> Canonical.json(all.get(name)))
                      .toArray(String[]::new)))
          .as("%s", varied)
          .isEqualTo(Canonical.sha256(all));
    }
  }
}
