package org.espalier.engine;

import java.util.EnumMap;
import java.util.EnumSet;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.espalier.api.Capability;
import org.espalier.api.EspalierException;
import org.espalier.api.StrategyCard;
import org.espalier.api.VerifierRole;
import org.espalier.compute.Budget;
import org.espalier.compute.ComputeUnit;
import org.espalier.compute.Cost;
import org.espalier.spi.ModelCard;
import org.espalier.spi.Verifier;

/**
 * What a strategy, a model, verifiers and a budget must have to work together. The one place where
 * it is decided, for whoever runs a search or checks a study beforehand.
 */
public final class Pairing {
  private Pairing() {}

  /**
   * What a strategy needs and a model lacks.
   *
   * @param strategy what would search
   * @param model what would be searched
   */
  public static Set<Capability> missing(StrategyCard strategy, ModelCard model) {
    Set<Capability> missing = EnumSet.noneOf(Capability.class);
    missing.addAll(strategy.requires());
    missing.removeAll(model.capabilities());
    return missing;
  }

  /**
   * Refuses a pairing that cannot work.
   *
   * @param strategy what would search
   * @param model what would be searched
   * @param searcher how the strategy is called in the error, for example {@code strategy (beam)}
   * @param searched how the model is called in the error, for example {@code model (infinity)}
   * @throws EspalierException CAPABILITY, with what is missing
   */
  public static void requireCapabilities(
      StrategyCard strategy, ModelCard model, String searcher, String searched) {
    Set<Capability> missing = missing(strategy, model);
    if (!missing.isEmpty()) {
      throw new EspalierException(
          EspalierException.Code.CAPABILITY,
          "The %s needs %s, which the %s lacks.".formatted(searcher, missing, searched),
          missing.contains(Capability.STOCHASTIC_STEP)
              ? "Maybe choose a stochastic sampler, for example sampler: {kind: sde}."
              : "Maybe choose another strategy or model for this arm.");
    }
  }

  /**
   * The verifier of a role.
   *
   * @param verifiers by role
   * @param role that is asked for
   * @param searcher who asks
   * @throws EspalierException CAPABILITY if there is none
   */
  public static Verifier requireRole(
      Map<VerifierRole, Verifier> verifiers, VerifierRole role, String searcher) {
    Verifier verifier = verifiers.get(role);
    if (verifier == null) {
      throw new EspalierException(
          EspalierException.Code.CAPABILITY,
          "%s asks for the verifier role (%s), which is not defined.".formatted(searcher, role),
          "Maybe set verifiers." + role.name().toLowerCase(Locale.ROOT) + ".");
    }
    return verifier;
  }

  /**
   * A budget under which no verb is free and without end. Where the unit and the caps bound
   * generation or verification not at all, they are capped at {@link #ROOM} times what so many
   * whole samples need as the budget holds.
   *
   * @param budget as it was asked for
   * @param sample cost of one whole sample
   * @param step cost of the cheapest step of the model
   * @param verdicts cost of a verdict by each verifier that the search may ask
   * @return the budget itself where it bounds everything
   * @throws EspalierException BUDGET where nothing says how many samples it holds
   */
  public static Budget bounded(
      Budget budget, Cost sample, Cost step, Map<VerifierRole, Cost> verdicts) {
    Map<ComputeUnit, Double> caps = new EnumMap<>(ComputeUnit.class);
    caps.putAll(budget.caps());
    double samples = samples(budget, sample);
    if (!bounds(budget, step)) {
      caps.put(ComputeUnit.NFE, cap(budget, samples * sample.nfe(), "expand"));
    }
    if (verdicts.values().stream().anyMatch(verdict -> !bounds(budget, verdict))) {
      caps.put(ComputeUnit.VERIFIER_CALLS, cap(budget, samples, "verify"));
    }
    return caps.equals(budget.caps()) ? budget : new Budget(budget.unit(), budget.limit(), caps);
  }

  /** By how much a default cap exceeds what whole samples need. */
  public static final int ROOM = 16;

  private static double samples(Budget budget, Cost sample) {
    double samples = Double.POSITIVE_INFINITY;
    double each = budget.unit().of(sample);
    if (each > 0) {
      samples = budget.limit() / each;
    }
    for (Map.Entry<ComputeUnit, Double> cap : budget.caps().entrySet()) {
      double part = cap.getKey().of(sample);
      if (cap.getKey() != ComputeUnit.SECONDS && part > 0) {
        samples = Math.min(samples, cap.getValue() / part);
      }
    }
    return samples;
  }

  private static double cap(Budget budget, double needed, String verb) {
    double cap = Math.ceil(ROOM * needed);
    if (!(cap > 0) || Double.isInfinite(cap)) {
      throw new EspalierException(
          EspalierException.Code.BUDGET,
          "Under a budget in %s the call %s is free and has no cap, so a search need not end."
              .formatted(budget.unit().name().toLowerCase(Locale.ROOT), verb),
          "Maybe add budgets.caps: {verifier_calls: ...}, or use the unit flops.");
    }
    return cap;
  }

  private static boolean bounds(Budget budget, Cost cost) {
    boolean bounded = budget.unit().of(cost) > 0;
    for (ComputeUnit unit : budget.caps().keySet()) {
      bounded |= unit != ComputeUnit.SECONDS && unit.of(cost) > 0;
    }
    return bounded;
  }
}
