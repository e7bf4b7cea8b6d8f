package org.espalier.verifiers;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.atomic.LongAdder;
import org.espalier.api.Prompt;
import org.espalier.api.Verdict;
import org.espalier.compute.Cost;
import org.espalier.spi.Judgement;
import org.espalier.spi.Lineage;
import org.espalier.spi.Verifier;
import org.espalier.spi.VerifierCard;
import org.espalier.spi.WorkCounters;
import org.espalier.verifiers.QuestionListConfig.Mean;

/**
 * Asks a judge every question of a prompt's list. Parts: {@code geometric-mean} and {@code
 * arithmetic-mean}; {@code atom.N}, the probability of the N-th answer, from 1; {@code skill.NAME},
 * the mean of the atoms of a skill; {@code atoms}, how many there are.
 *
 * <p>A judge that can tell the probability of any word is asked the question itself. Another is
 * asked yes or no: the question where yes is the answer, else whether the answer is right.
 */
final class QuestionListVerifier implements Verifier {
  /** Stands for a probability of nothing, whose logarithm would be infinite. */
  private static final double LEAST = 1e-300;

  /** Facts that are true of the judge and so of whoever asks it. */
  private static final Set<String> OF_THE_JUDGE =
      Set.of(VerifierCard.SEES, Lineage.FAMILIES, Lineage.DATA);

  private final Mean mean;
  private final Verifier judge;
  private final VerifierCard card;
  private final boolean open;
  private final LongAdder images = new LongAdder();

  QuestionListVerifier(Mean mean, Verifier judge) {
    this.mean = mean;
    this.judge = judge;
    VerifierCard of = judge.card();
    this.open = OpenQuestion.canBeAsked(of);
    Map<String, String> facts = new LinkedHashMap<>();
    of.facts()
        .forEach(
            (name, value) ->
                facts.put(OF_THE_JUDGE.contains(name) ? name : "judge-" + name, value));
    facts.put("judge", of.id() + ", " + of.metric());
    facts.put("asked", open ? "for the probability of the answer" : "yes or no");
    this.card =
        new VerifierCard(
            "question-list",
            of.weightsSha256(),
            of.programSha256(),
            of.licence(),
            of.preprocessing(),
            of.textLimit(),
            mean == Mean.GEOMETRIC
                ? "[0, 1]: geometric mean of the probabilities of the right answers"
                : "[0, 1]: arithmetic mean of the probabilities of the right answers",
            "soft-tifa(" + of.metric() + ")",
            facts,
            of.concurrency(),
            of.accuracy());
  }

  @Override
  public VerifierCard card() {
    return card;
  }

  @Override
  public Optional<String> unsupported(Prompt prompt) {
    try {
      VqaList.of(prompt);
      return Optional.empty();
    } catch (UnfitMetadata e) {
      return Optional.of(e.what());
    }
  }

  private Prompt question(VqaList.Atom atom) {
    if (open) {
      return OpenQuestion.of(atom.question(), atom.answer());
    }
    return Prompt.of(
        "question",
        atom.isYes()
            ? atom.question()
            : atom.question() + " Is \"" + atom.answer().strip() + "\" the right answer?");
  }

  @Override
  public Cost quote(Prompt prompt, int width, int height, int count) {
    Cost sum = Cost.ZERO;
    try {
      for (VqaList.Atom atom : VqaList.of(prompt).atoms()) {
        sum = sum.plus(judge.quote(question(atom), width, height, count));
      }
    } catch (UnfitMetadata e) {
      return Cost.verify(count, 0);
    }
    return Cost.verify(count, sum.verifierFlops())
        .withService(sum.verifierTokens(), sum.microDollars());
  }

  @Override
  public WorkCounters counters() {
    WorkCounters work = judge.counters();
    return new WorkCounters(
        work.rows(), work.tokens(), work.flops(), images.sum(), work.microDollars());
  }

  /** The questions about one image, in one call of the judge together with all others. */
  private record Asked(VqaList list, int first) {}

  @Override
  public List<Verdict> verify(List<Judgement> batch) {
    List<Verdict> verdicts = new ArrayList<>();
    List<Judgement> questions = new ArrayList<>();
    Map<Integer, Asked> asked = new TreeMap<>();
    for (int i = 0; i < batch.size(); i++) {
      Judgement judgement = batch.get(i);
      verdicts.add(new Verdict.Failed("not asked"));
      try {
        VqaList list = VqaList.of(judgement.prompt());
        asked.put(i, new Asked(list, questions.size()));
        for (VqaList.Atom atom : list.atoms()) {
          questions.add(
              new Judgement(
                  judgement.candidateId() + "?" + questions.size(),
                  question(atom),
                  judgement.artifact()));
        }
      } catch (UnfitMetadata e) {
        verdicts.set(i, new Verdict.Failed("The prompt cannot be judged: " + e.what()));
      }
    }
    List<Verdict> answers = questions.isEmpty() ? List.of() : judge.verify(questions);
    asked.forEach(
        (i, about) -> {
          int last = about.first + about.list.atoms().size();
          verdicts.set(i, join(about.list, answers.subList(about.first, last)));
        });
    return List.copyOf(verdicts);
  }

  private Verdict join(VqaList list, List<Verdict> answers) {
    double logs = 0;
    double sum = 0;
    Map<String, List<Double>> skills = new TreeMap<>();
    Map<String, Double> parts = new LinkedHashMap<>();
    for (int i = 0; i < answers.size(); i++) {
      VqaList.Atom atom = list.atoms().get(i);
      if (answers.get(i) instanceof Verdict.Failed failed) {
        return new Verdict.Failed("\"" + atom.question() + "\": " + failed.reason());
      }
      double p = ((Verdict.Scored) answers.get(i)).value();
      if (!(p >= 0 && p <= 1 + 1e-9)) {
        return new Verdict.Failed(
            "\"" + atom.question() + "\": the judge's value (" + p + ") is no probability.");
      }
      logs += Math.log(Math.max(LEAST, p));
      sum += p;
      parts.put("atom." + (i + 1), p);
      if (!atom.skill().isEmpty()) {
        skills.computeIfAbsent(atom.skill(), skill -> new ArrayList<>()).add(p);
      }
    }
    double geometric = Math.exp(logs / answers.size());
    double arithmetic = sum / answers.size();
    parts.put("geometric-mean", geometric);
    parts.put("arithmetic-mean", arithmetic);
    parts.put("atoms", (double) answers.size());
    skills.forEach(
        (skill, values) ->
            parts.put(
                "skill." + skill,
                values.stream().mapToDouble(Double::doubleValue).sum() / values.size()));
    images.increment();
    return new Verdict.Scored(mean == Mean.GEOMETRIC ? geometric : arithmetic, parts);
  }

  @Override
  public void close() {
    judge.close();
  }
}
