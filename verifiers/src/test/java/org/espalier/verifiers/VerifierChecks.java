package org.espalier.verifiers;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.espalier.api.Prompt;
import org.espalier.api.Verdict;
import org.espalier.compute.Cost;
import org.espalier.spi.Artifact;
import org.espalier.spi.Judgement;
import org.espalier.spi.PluginRef;
import org.espalier.spi.Verifier;
import org.espalier.spi.WorkCounters;

/** What every network verifier of this module must do. */
final class VerifierChecks {
  private VerifierChecks() {}

  static Judgement judgement(int number, String text, Artifact artifact) {
    return new Judgement("c" + number, Prompt.of("p-" + text, text), artifact);
  }

  static List<Judgement> judgements(int count, List<String> prompts) {
    List<Judgement> batch = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      batch.add(
          judgement(
              i,
              prompts.get(i % prompts.size()),
              Artifact.of(Pictures.noise(40 + i % 3, 36 + i % 2, i))));
    }
    return batch;
  }

  static Verdict.Scored scored(Verdict verdict) {
    assertThat(verdict).isInstanceOf(Verdict.Scored.class);
    return (Verdict.Scored) verdict;
  }

  static double part(Verdict.Scored scored, String name) {
    return Objects.requireNonNull(scored.parts().get(name), name);
  }

  /** A batch equals its single calls bit for bit, in order, and images differ in score. */
  static void batchEqualsSingleCalls(Verifier verifier, List<String> prompts) {
    List<Judgement> batch = judgements(7, prompts);

    List<Verdict> together = verifier.verify(batch);
    List<Verdict> alone = new ArrayList<>();
    for (Judgement judgement : batch) {
      alone.addAll(verifier.verify(List.of(judgement)));
    }

    assertThat(together).isEqualTo(alone);
    assertThat(together.stream().map(v -> scored(v).value()).distinct()).hasSize(7);
  }

  /** Unreadable and oversized images fail alone. */
  static void failuresStayAlone(Verifier verifier, String prompt) {
    Judgement good = judgement(0, prompt, Artifact.of(Pictures.noise(40, 40, 3)));
    Judgement broken = judgement(1, prompt, Pictures.broken());
    Judgement large = judgement(2, prompt, Artifact.of(Pictures.noise(8193, 1, 4)));
    Judgement last = judgement(3, prompt, Artifact.of(Pictures.noise(41, 40, 5)));
    WorkCounters before = verifier.counters();

    List<Verdict> verdicts = verifier.verify(List.of(good, broken, large, last));

    assertThat(verdicts.get(0)).isEqualTo(verifier.verify(List.of(good)).get(0));
    assertThat(verdicts.get(1))
        .isEqualTo(new Verdict.Failed("The image cannot be read: the file is truncated"));
    assertThat(verdicts.get(2)).isInstanceOf(Verdict.Failed.class);
    assertThat(((Verdict.Failed) verdicts.get(2)).reason()).contains("larger than 8192 pixels");
    assertThat(verdicts.get(3)).isEqualTo(verifier.verify(List.of(last)).get(0));
    assertThat(verifier.counters().since(before).images()).isEqualTo(4);
    assertThat(verifier.verify(List.of(broken))).hasOnlyElementsOfType(Verdict.Failed.class);
    assertThat(verifier.verify(List.of())).isEmpty();
  }

  /** The quote is what the counters grow by, whatever was judged before. */
  static void quoteEqualsCounters(Verifier verifier, String prompt, long flopsOfOne) {
    Cost quote = verifier.quote(Prompt.of("p", prompt), 40, 36, 5);
    assertThat(quote).isEqualTo(Cost.verify(5, 5 * flopsOfOne));
    for (int round = 0; round < 2; round++) {
      List<Judgement> batch = new ArrayList<>();
      for (int i = 0; i < 5; i++) {
        batch.add(judgement(i, prompt, Artifact.of(Pictures.noise(40, 36, i))));
      }
      WorkCounters before = verifier.counters();
      verifier.verify(batch);
      WorkCounters work = verifier.counters().since(before);
      assertThat(work.images()).isEqualTo(quote.verifierCalls());
      assertThat(work.flops()).isEqualTo(quote.verifierFlops());
    }
  }

  /** A member of an ensemble as it is written in a study. */
  static EnsembleConfig.Member member(Map<String, Object> written) {
    Map<String, Object> own = new LinkedHashMap<>(written);
    Object name = own.remove("name");
    Object weight = own.remove("weight");
    return new EnsembleConfig.Member(
        PluginRef.verifier(own),
        name == null ? null : String.valueOf(name),
        weight instanceof Number number ? number.doubleValue() : null);
  }
}
