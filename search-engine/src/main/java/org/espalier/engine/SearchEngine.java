package org.espalier.engine;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.espalier.api.BudgetExhaustedException;
import org.espalier.api.Candidate;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.api.StrategyCard;
import org.espalier.api.Verdict;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Accuracy;
import org.espalier.compute.Budget;
import org.espalier.compute.ComputeUnit;
import org.espalier.compute.Cost;
import org.espalier.compute.Phase;
import org.espalier.spi.Artifact;
import org.espalier.spi.Conditioning;
import org.espalier.spi.GenerativeModel;
import org.espalier.spi.Judgement;
import org.espalier.spi.ModelCard;
import org.espalier.spi.RgbImage;
import org.espalier.spi.Verifier;

/** Runs searches. Stateless and thread-safe; calls of one model or verifier are serialised. */
public final class SearchEngine {

  /**
   * Refuses a pairing that cannot work.
   *
   * @param strategy what would search
   * @param model what would be searched
   * @throws EspalierException CAPABILITY, with what is missing and why it matters
   */
  public static void requireCapabilities(StrategyCard strategy, ModelCard model) {
    Pairing.requireCapabilities(
        strategy, model, "strategy (" + strategy.id() + ")", "model (" + model.id() + ")");
  }

  /**
   * The cost of one sample of a prompt, from text encoding to verdict: what {@code 1x} means.
   *
   * @param model what is searched
   * @param verifier the search verifier
   * @param prompt the prompt
   */
  public static Cost sampleCost(GenerativeModel model, Verifier verifier, Prompt prompt) {
    DefaultQuotes quotes = new DefaultQuotes(model, Map.of(VerifierRole.SEARCH, verifier), prompt);
    return quotes.encode().plus(quotes.sample());
  }

  /**
   * Runs one search.
   *
   * @param asked what to run
   * @return a verified complete sample and the account of how it was found
   * @throws EspalierException CAPABILITY for an impossible pairing, BUDGET if the budget does not
   *     suffice for one sample or does not bound some verb, PLUGIN_CONTRACT if a plugin breaks its
   *     contract, NATIVE if the native engine fails
   */
  public SearchOutcome run(SearchRequest asked) {
    GenerativeModel model = asked.model();
    requireCapabilities(
        asked.strategy().card(), NativeGate.guard(model.getClass().getName(), "card", model::card));
    SearchRequest request = bounded(asked);
    for (VerifierRole role : request.strategy().card().roles()) {
      Pairing.requireRole(
          request.verifiers(), role, "The strategy (" + request.strategy().card().id() + ")");
    }
    long start = request.options().nanoTime().getAsLong();
    NativeGate gate = new NativeGate(request.options());
    Ledger ledger = new Ledger(request.budget());
    DefaultQuotes quotes = new DefaultQuotes(model, request.verifiers(), request.prompt());
    Cost encode = quotes.encode();
    try (Ledger.Reservation reservation = reserve(request, ledger, quotes, encode)) {
      NativeGate.Measured<List<Conditioning>> encoded =
          gate.call(model, "encode", () -> model.encode(List.of(request.prompt())));
      ModelCalls.requireSize(NativeGate.id(model), "encode", encoded.result(), 1);
      try (Conditioning conditioning = encoded.result().get(0)) {
        reservation.commit(Phase.ENCODE, encoded.generated(encode.nfe()));
        reservation.close();
        return search(request, conditioning, ledger, quotes, gate, start);
      }
    }
  }

  private static Ledger.Reservation reserve(
      SearchRequest request, Ledger ledger, DefaultQuotes quotes, Cost encode) {
    try {
      return ledger.reserve("encode", encode, quotes.sample());
    } catch (BudgetExhaustedException e) {
      ComputeUnit unit = request.budget().unit();
      throw new EspalierException(
          EspalierException.Code.BUDGET,
          "The budget (%s %s) does not suffice for one sample of the model (%s), which costs %s."
              .formatted(
                  Ledger.number(request.budget().limit()),
                  unit.name().toLowerCase(Locale.ROOT),
                  request.model().card().id(),
                  Ledger.number(unit.of(quotes.sample().plus(encode)))),
          "Maybe set a budget of 1x or more.",
          e);
    }
  }

  private static SearchOutcome search(
      SearchRequest request,
      Conditioning conditioning,
      Ledger ledger,
      DefaultQuotes quotes,
      NativeGate gate,
      long start) {
    DefaultSearchContext context =
        new DefaultSearchContext(request, conditioning, ledger, quotes, gate, start);
    SearchOutcome.Stop stop = SearchOutcome.Stop.FINISHED;
    // Closed last, with whatever its states throw suppressed by an earlier failure.
    try (Closing unused = context::end) {
      Candidate answer = null;
      try {
        answer = request.strategy().search(context);
      } catch (BudgetExhaustedException e) {
        stop = SearchOutcome.Stop.EXHAUSTED;
      }
      Incumbent incumbent = context.found();
      if (incumbent.best() == null) {
        stop = SearchOutcome.Stop.ESCROW;
        try {
          context.finishFromEscrow();
        } catch (BudgetExhaustedException e) {
          // Only failed verdicts can have used up what was held back: said below.
        }
      }
      Node best = incumbent.best();
      RgbImage bestImage = incumbent.image();
      if (best == null || bestImage == null) {
        throw new EspalierException(
            EspalierException.Code.NATIVE,
            "The search (" + request.id() + ") has no verified sample: every verdict failed.",
            "Maybe look at the reasons in the tree log.");
      }
      Node chosen = answer == null ? best : requireAnswer(context, request, answer);
      RgbImage image = chosen == best ? bestImage : context.imageOf(chosen);
      SearchAccount account = account(request, context, ledger, quotes, gate, start);
      return new SearchOutcome(
          stop,
          chosen.id,
          chosen.score(),
          best.id,
          best.score(),
          image,
          bestImage,
          account.ledger(),
          ledger.remaining(Cost.ZERO),
          incumbent.curve(),
          account.tree(),
          account.engineNanos(),
          account.wallNanos(),
          account.waitNanos(),
          account.independent(),
          account.failedVerdicts(),
          account.accuracy(),
          request.budget());
    } catch (Throwable e) {
      request.options().listener().failed(account(request, context, ledger, quotes, gate, start));
      throw e;
    }
  }

  private static SearchAccount account(
      SearchRequest request,
      DefaultSearchContext context,
      Ledger ledger,
      DefaultQuotes quotes,
      NativeGate gate,
      long start) {
    List<TreeNode> tree = new ArrayList<>();
    for (Node node : context.store().nodes()) {
      if (!node.between) {
        tree.add(node.log());
      }
    }
    long end = request.options().nanoTime().getAsLong();
    return new SearchAccount(
        ledger.snapshot().withReplayed(gate.replayed()),
        tree,
        Math.max(0, end - start - gate.nativeNanos() - gate.waitNanos()),
        end - start,
        gate.waitNanos(),
        Independent.share(context.store().nodes(), quotes, request.budget().unit(), ledger.spent()),
        failed(context.store().nodes()),
        accuracy(request));
  }

  private static long failed(List<Node> nodes) {
    return nodes.stream()
        .flatMap(node -> node.verdicts.values().stream())
        .filter(verdict -> verdict instanceof Verdict.Failed)
        .count();
  }

  private static Accuracy accuracy(SearchRequest request) {
    Accuracy accuracy = Accuracy.EXACT;
    for (Verifier verifier : request.verifiers().values()) {
      accuracy = accuracy.and(verifier.card().accuracy());
    }
    return accuracy;
  }

  /** A close without checked exceptions, for try-with-resources. */
  @FunctionalInterface
  private interface Closing extends AutoCloseable {
    @Override
    void close();
  }

  private static Node requireAnswer(
      DefaultSearchContext context, SearchRequest request, Candidate answer) {
    if (!(answer.trajectory() instanceof Node node)
        || node.store != context.store()
        || !node.isComplete()
        || (node.state == null && node != context.found().best())
        || !(node.verdicts.get(VerifierRole.SEARCH) instanceof Verdict.Scored)) {
      throw new EspalierException(
          EspalierException.Code.PLUGIN_CONTRACT,
          "The strategy (%s) answered with a trajectory (%s) that is not a complete sample, still held and scored by the search verifier."
              .formatted(request.strategy().card().id(), answer.trajectory()),
          "Maybe return context.answer().");
    }
    return node;
  }

  private static SearchRequest bounded(SearchRequest request) {
    Map<VerifierRole, Verifier> asked = new EnumMap<>(request.verifiers());
    asked.keySet().retainAll(request.strategy().card().roles());
    Budget budget =
        bounded(
            request.budget(),
            request.model(),
            request.verifiers(),
            asked.keySet(),
            request.prompt());
    return budget.equals(request.budget()) ? request : request.withBudget(budget);
  }

  /**
   * The budget under which a search really runs: see {@link Pairing#bounded}.
   *
   * @param budget as it was asked for
   * @param model what is searched
   * @param verifiers by role
   * @param roles that the strategy asks; the search verifier counts in any case
   * @param prompt what is searched for
   */
  public static Budget bounded(
      Budget budget,
      GenerativeModel model,
      Map<VerifierRole, Verifier> verifiers,
      Set<VerifierRole> roles,
      Prompt prompt) {
    DefaultQuotes quotes = new DefaultQuotes(model, verifiers, prompt);
    Map<VerifierRole, Cost> verdicts = new EnumMap<>(VerifierRole.class);
    verdicts.put(VerifierRole.SEARCH, quotes.judge(VerifierRole.SEARCH));
    roles.forEach(role -> verdicts.put(role, quotes.judge(role)));
    return Pairing.bounded(budget, quotes.sample(), quotes.expand(0, 1, false), verdicts);
  }

  /**
   * Has an image judged outside a search, as an evaluator does: with the checks, the locks and the
   * retries of a search. The verifier gets a copy of the image.
   *
   * @param verifier who judges
   * @param candidate a name for the image
   * @param prompt what it should show
   * @param image the image
   * @param options of the engine
   */
  public static Judged judge(
      Verifier verifier, String candidate, Prompt prompt, RgbImage image, EngineOptions options) {
    Cost quote = DefaultQuotes.judge(verifier, prompt, image.width(), image.height());
    Judging.Judged judged =
        Judging.judge(
            new NativeGate(options),
            verifier,
            List.of(new Judgement(candidate, prompt, Artifact.of(image.copy()))),
            quote);
    Ledger.requireWithin("verify", judged.cost(), quote);
    return new Judged(judged.verdicts().get(0), judged.cost());
  }

  /**
   * A verdict on one image.
   *
   * @param verdict what the verifier said
   * @param cost what it took
   */
  public record Judged(Verdict verdict, Cost cost) {}
}
