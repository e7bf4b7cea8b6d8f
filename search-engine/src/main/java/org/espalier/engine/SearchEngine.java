package org.espalier.engine;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.espalier.api.BudgetExhaustedException;
import org.espalier.api.Candidate;
import org.espalier.api.Capability;
import org.espalier.api.EspalierException;
import org.espalier.api.Prompt;
import org.espalier.api.StrategyCard;
import org.espalier.api.Verdict;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Budget;
import org.espalier.compute.ComputeUnit;
import org.espalier.compute.Cost;
import org.espalier.compute.Phase;
import org.espalier.spi.Conditioning;
import org.espalier.spi.GenerativeModel;
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
    Set<Capability> missing = EnumSet.noneOf(Capability.class);
    missing.addAll(strategy.requires());
    missing.removeAll(model.capabilities());
    if (!missing.isEmpty()) {
      throw new EspalierException(
          EspalierException.Code.CAPABILITY,
          "The strategy (%s) needs %s, which the model (%s) has not."
              .formatted(strategy.id(), missing, model.id()),
          missing.contains(Capability.STOCHASTIC_STEP)
              ? "Maybe choose a stochastic sampler, for example sampler: {kind: sde}."
              : "Maybe choose another strategy or model for this arm.");
    }
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
   * @param request what to run
   * @return a verified complete sample and the account of how it was found
   * @throws EspalierException CAPABILITY for an impossible pairing, BUDGET if the budget does not
   *     suffice for one sample or does not bound some verb, PLUGIN_CONTRACT if a plugin breaks its
   *     contract, NATIVE if the native engine fails
   */
  public SearchOutcome run(SearchRequest request) {
    GenerativeModel model = request.model();
    requireCapabilities(request.strategy().card(), model.card());
    for (VerifierRole role : request.strategy().card().roles()) {
      if (!request.verifiers().containsKey(role)) {
        throw new EspalierException(
            EspalierException.Code.CAPABILITY,
            "The strategy (%s) asks for the verifier role (%s), which this search has not."
                .formatted(request.strategy().card().id(), role),
            "Maybe set verifiers." + role.name().toLowerCase(Locale.ROOT) + ".");
      }
    }
    long start = request.options().nanoTime().getAsLong();
    NativeGate gate = new NativeGate(request.options().nanoTime());
    Ledger ledger = new Ledger(request.budget());
    DefaultQuotes quotes = new DefaultQuotes(model, request.verifiers(), request.prompt());
    requireBounded(request.budget(), quotes);
    Cost encode = quotes.encode();
    try (Ledger.Reservation reservation = reserve(request, ledger, quotes, encode)) {
      NativeGate.Measured<List<Conditioning>> encoded =
          gate.call(model, () -> model.encode(List.of(request.prompt())));
      ModelCalls.requireSize(model.card().id(), "encode", encoded.result(), 1);
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
          // Only failed verdicts can have used up what was held back: told below.
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
      List<TreeNode> tree = new ArrayList<>();
      for (Node node : context.store().nodes()) {
        if (!node.between) {
          tree.add(node.log());
        }
      }
      long end = request.options().nanoTime().getAsLong();
      return new SearchOutcome(
          stop,
          chosen.id,
          chosen.score(),
          best.id,
          best.score(),
          image,
          bestImage,
          ledger.snapshot().withReplayed(gate.replayed()),
          ledger.remaining(Cost.ZERO),
          incumbent.curve(),
          tree,
          Math.max(0, end - start - gate.nativeNanos()),
          end - start);
    }
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

  /** Refuses a budget under which expanding or verifying would be free and without end. */
  private static void requireBounded(Budget budget, DefaultQuotes quotes) {
    requireBounded(budget, "expand", quotes.expand(0, 1, false));
    requireBounded(budget, "verify", quotes.judge(VerifierRole.SEARCH));
  }

  private static void requireBounded(Budget budget, String verb, Cost cost) {
    boolean bounded = budget.unit().of(cost) > 0;
    for (ComputeUnit unit : budget.caps().keySet()) {
      bounded |= unit != ComputeUnit.SECONDS && unit.of(cost) > 0;
    }
    if (!bounded) {
      throw new EspalierException(
          EspalierException.Code.BUDGET,
          "Under a budget in %s the call %s is free and has no cap, so a search need not end."
              .formatted(budget.unit().name().toLowerCase(Locale.ROOT), verb),
          "Maybe add budgets.caps: {verifier_calls: ...}, or use the unit flops.");
    }
  }
}
