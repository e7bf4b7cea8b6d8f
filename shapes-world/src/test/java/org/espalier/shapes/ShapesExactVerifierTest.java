package org.espalier.shapes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.Set;
import org.espalier.api.DrawKey;
import org.espalier.api.Prompt;
import org.espalier.api.Verdict;
import org.espalier.compute.Cost;
import org.espalier.shapes.ShapesExactConfig.Score;
import org.espalier.spi.Artifact;
import org.espalier.spi.Judgement;
import org.espalier.spi.LoadContext;
import org.espalier.spi.RgbImage;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierProvider;
import org.espalier.spi.WorkCounters;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** With random weights: what is seen does not matter here. */
class ShapesExactVerifierTest {
  private static final DrawKey KEY = DrawKey.root(8);

  private final Path temp;

  ShapesExactVerifierTest(@TempDir Path temp) {
    this.temp = temp;
  }

  @BeforeEach
  void writeDetector() throws IOException {
    RandomDetector.write(temp);
  }

  private Verifier load(Score score) {
    LoadContext context =
        new LoadContext(
            "cpu",
            temp,
            spec -> {
              throw new AssertionError("asked for " + spec);
            });
    return new ShapesExactProvider().load(new ShapesExactConfig(".", score), context);
  }

  private static List<Judgement> judgements(int count) {
    List<Judgement> batch = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      Category category = Category.values()[i % Category.values().length];
      SceneRequirement requirement = ShapesWorld.requirement(category, KEY.child(i));
      RgbImage image = SceneRenderer.render(ShapesWorld.scene(requirement, KEY.child(i)));
      Prompt prompt = ShapesWorld.prompt("p" + i, category, requirement);
      batch.add(new Judgement("c" + i, prompt, Artifact.of(image)));
    }
    return batch;
  }

  @Test
  void quoteEqualsCountersAndABatchEqualsSingles() {
    List<Judgement> batch = judgements(24);
    try (Verifier verifier = load(Score.GRADED)) {
      List<Verdict> verdicts = verifier.verify(batch);
      WorkCounters counters = verifier.counters();
      Cost quote = verifier.quote(batch.get(0).prompt(), 64, 64, 24);
      assertThat(quote).isEqualTo(Cost.verify(24, counters.flops()));
      assertThat(counters).isEqualTo(new WorkCounters(24, 0, 24 * quote.verifierFlops() / 24, 24));
      assertThat(counters.flops()).isPositive();
      Set<Verdict> different = new HashSet<>(verdicts);
      assertThat(different).hasSizeGreaterThan(1);
      for (int i = 0; i < batch.size(); i++) {
        assertThat(verifier.verify(List.of(batch.get(i)))).containsExactly(verdicts.get(i));
      }
      assertThat(verifier.counters().since(counters)).isEqualTo(counters);
    }
  }

  @Test
  void whatCannotBeJudgedFailsAlone() {
    List<Judgement> batch = new ArrayList<>(judgements(2));
    Artifact image = batch.get(0).artifact();
    Prompt good = batch.get(0).prompt();
    batch.add(1, new Judgement("bare", Prompt.of("p7", "a photo of a star"), image));
    batch.add(
        new Judgement(
            "typo",
            new Prompt("p8", "a", "x", Map.of("include", List.of(Map.of("class", "sta")))),
            image));
    batch.add(
        new Judgement("wide", good, Artifact.of(new RgbImage(128, 64, new byte[3 * 128 * 64]))));
    try (Verifier verifier = load(Score.CORRECT)) {
      List<Verdict> verdicts = verifier.verify(batch);
      assertThat(verdicts.get(0)).isInstanceOf(Verdict.Scored.class);
      assertThat(verdicts.get(1))
          .isEqualTo(
              new Verdict.Failed(
                  "[CONFIG] The prompt (p7: \"a photo of a star\") has no metadata to check.\n"
                      + "Maybe use prompts in GenEval's form, such as prompts.set: shapes/geneval."));
      assertThat(verdicts.get(2)).isInstanceOf(Verdict.Scored.class);
      assertThat(((Verdict.Failed) verdicts.get(3)).reason())
          .startsWith("[CONFIG] prompt p8: the field include[0].class (sta) is not known.");
      assertThat(((Verdict.Failed) verdicts.get(4)).reason())
          .startsWith("[CONFIG] The image has 128 x 64 pixels");
      assertThat(verifier.counters().images()).isEqualTo(2);
      assertThat(verifier.verify(List.of(batch.get(0), batch.get(2))))
          .containsExactly(verdicts.get(0), verdicts.get(2));
    }
  }

  @Test
  void valueIsCorrectOrFraction() {
    List<Judgement> batch = judgements(16);
    try (Verifier correct = load(Score.CORRECT);
        Verifier graded = load(Score.GRADED)) {
      List<Verdict> values = correct.verify(batch);
      List<Verdict> fractions = graded.verify(batch);
      for (int i = 0; i < batch.size(); i++) {
        Verdict.Scored value = (Verdict.Scored) values.get(i);
        Verdict.Scored fraction = (Verdict.Scored) fractions.get(i);
        assertThat(value.parts()).isEqualTo(fraction.parts());
        assertThat(value.parts()).containsOnlyKeys("correct", "strict", "fraction");
        assertThat(value.value()).isEqualTo(value.parts().get("correct"));
        assertThat(fraction.value()).isEqualTo(value.parts().get("fraction"));
      }
      assertThat(correct.card().range()).isEqualTo("0 or 1");
      assertThat(graded.card().range()).isEqualTo("[0, 1]");
      assertThat(correct.card().metric()).isEqualTo(graded.card().metric());
      assertThat(correct.card().weightsSha256()).hasSize(64);
      assertThat(correct.card().programSha256()).hasSize(64);
      assertThat(correct.card().licence()).isEqualTo("Apache-2.0");
    }
  }

  @Test
  void theProviderIsFound() {
    assertThat(ServiceLoader.load(VerifierProvider.class))
        .anySatisfy(provider -> assertThat(provider.id()).isEqualTo("shapes-exact"));
    assertThat(new ShapesExactConfig(null, null))
        .isEqualTo(new ShapesExactConfig("nano", Score.CORRECT));
  }

  @Test
  void weightsThatAreNotThereAreRefused() {
    assertThatThrownBy(
            () ->
                new ShapesExactProvider()
                    .load(
                        new ShapesExactConfig("elsewhere", null),
                        new LoadContext("cpu", temp, spec -> load(Score.CORRECT))))
        .hasMessageStartingWith("[CONFIG] The weights (elsewhere) of shapes-exact");
  }
}
