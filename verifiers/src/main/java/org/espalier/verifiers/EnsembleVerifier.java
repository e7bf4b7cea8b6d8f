package org.espalier.verifiers;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.espalier.api.Prompt;
import org.espalier.api.Verdict;
import org.espalier.compute.Accuracy;
import org.espalier.compute.Cost;
import org.espalier.spi.Closing;
import org.espalier.spi.Judgement;
import org.espalier.spi.Lineage;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierCard;
import org.espalier.spi.WorkCounters;
import org.espalier.verifiers.EnsembleConfig.Aggregation;
import org.espalier.weights.Sha256;

/**
 * Joins verifiers. Parts: each member's score under its name, and under {@code NAME.rank} or {@code
 * NAME.z-score} what it contributes; {@code truncated} where one of them cut the prompt.
 */
final class EnsembleVerifier implements Verifier {

  /** A member. */
  record Member(
      String name, double weight, Verifier verifier, Calibration.Distribution distribution) {}

  private final Aggregation aggregation;
  private final List<Member> members;
  private final VerifierCard card;
  private long images;

  EnsembleVerifier(Aggregation aggregation, List<Member> members) {
    this.aggregation = aggregation;
    this.members = List.copyOf(members);
    OptionalInt limit =
        members.stream()
            .map(member -> member.verifier.card().textLimit())
            .filter(OptionalInt::isPresent)
            .mapToInt(OptionalInt::getAsInt)
            .min();
    this.card =
        new VerifierCard(
            "ensemble",
            sha256(
                m ->
                    m.name
                        + m.weight
                        + m.verifier.card().weightsSha256()
                        + m.distribution.scores()),
            sha256(m -> m.verifier.card().programSha256()),
            each(m -> m.verifier.card().licence()),
            each(m -> m.verifier.card().preprocessing()),
            limit,
            aggregation == Aggregation.RANK
                ? "[0, 1]: mean percentile among the calibration's scores"
                : "unbounded: mean z-score",
            "ensemble(" + each(m -> m.verifier.card().metric()) + ")",
            facts(),
            members.stream().mapToInt(m -> m.verifier.card().concurrency()).min().orElse(1),
            members.stream()
                .map(m -> m.verifier.card().accuracy())
                .reduce(Accuracy.EXACT, Accuracy::and));
  }

  private Map<String, String> facts() {
    Map<String, String> facts = new LinkedHashMap<>();
    Lineage.together(members.stream().map(m -> m.verifier.card()).toList())
        .ifPresent(lineage -> facts.putAll(lineage.facts()));
    facts.put(
        VerifierCard.SEES,
        each(m -> m.verifier.card().facts().getOrDefault(VerifierCard.SEES, "not stated")));
    facts.put("aggregation", kebab(aggregation));
    facts.put("members", each(m -> m.name + " x " + m.weight));
    facts.put("calibration-scores", each(m -> String.valueOf(m.distribution.scores().size())));
    return facts;
  }

  private static String kebab(Aggregation aggregation) {
    return aggregation.name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  private String each(Function<Member, String> what) {
    return members.stream().map(what).distinct().collect(Collectors.joining("; "));
  }

  private String sha256(Function<Member, String> what) {
    return Sha256.of(members.stream().map(what).collect(Collectors.joining()));
  }

  @Override
  public VerifierCard card() {
    return card;
  }

  @Override
  public Cost quote(Prompt prompt, int width, int height, int count) {
    Cost sum = Cost.ZERO;
    for (Member member : members) {
      sum = sum.plus(member.verifier.quote(prompt, width, height, count));
    }
    return Cost.verify(count, sum.verifierFlops())
        .withService(sum.verifierTokens(), sum.microDollars());
  }

  @Override
  public Optional<String> unsupported(Prompt prompt) {
    return members.stream()
        .flatMap(member -> member.verifier.unsupported(prompt).stream())
        .findFirst();
  }

  @Override
  public WorkCounters counters() {
    WorkCounters sum = WorkCounters.ZERO;
    for (Member member : members) {
      sum = sum.plus(member.verifier.counters());
    }
    return new WorkCounters(sum.rows(), sum.tokens(), sum.flops(), images, sum.microDollars());
  }

  @Override
  public List<Verdict> verify(List<Judgement> batch) {
    List<List<Verdict>> byMember = new ArrayList<>();
    for (Member member : members) {
      byMember.add(member.verifier.verify(batch));
    }
    List<Verdict> verdicts = new ArrayList<>();
    for (int i = 0; i < batch.size(); i++) {
      List<Verdict> row = new ArrayList<>();
      for (List<Verdict> column : byMember) {
        row.add(column.get(i));
      }
      Verdict verdict = join(row);
      images += verdict instanceof Verdict.Scored ? 1 : 0;
      verdicts.add(verdict);
    }
    return List.copyOf(verdicts);
  }

  private Verdict join(List<Verdict> row) {
    double sum = 0;
    double weights = 0;
    double truncated = 0;
    Map<String, Double> parts = new LinkedHashMap<>();
    for (int i = 0; i < members.size(); i++) {
      Member member = members.get(i);
      if (row.get(i) instanceof Verdict.Failed failed) {
        return new Verdict.Failed(member.name + ": " + failed.reason());
      }
      Verdict.Scored scored = (Verdict.Scored) row.get(i);
      double share =
          aggregation == Aggregation.RANK
              ? member.distribution.percentile(scored.value())
              : member.distribution.zScore(scored.value());
      if (!Double.isFinite(share)) {
        return new Verdict.Failed(
            "%s: its score (%s) lies too far from the calibration's to be averaged."
                .formatted(member.name, scored.value()));
      }
      sum += member.weight * share;
      weights += member.weight;
      truncated = Math.max(truncated, scored.parts().getOrDefault("truncated", 0.0));
      parts.put(member.name, scored.value());
      parts.put(member.name + "." + kebab(aggregation), share);
    }
    parts.put("truncated", truncated);
    return Double.isFinite(sum)
        ? new Verdict.Scored(sum / weights, parts)
        : new Verdict.Failed("The members' scores are too large to be averaged.");
  }

  @Override
  public void close() {
    Closing.all(members.stream().map(member -> member.verifier).toList());
  }
}
