package org.espalier.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.TreeMap;
import org.espalier.compute.Budget;
import org.espalier.compute.ComputeUnit;
import org.espalier.compute.Cost;
import org.espalier.engine.IncumbentPoint;
import org.espalier.engine.SearchOutcome;
import org.espalier.engine.TreeNode;

/** A search that has ended, to be asserted upon. */
public final class SearchRun {
  private final SearchOutcome outcome;
  private final TrackedModel model;
  private final List<String> faults;

  SearchRun(SearchOutcome outcome, TrackedModel model, List<String> faults) {
    this.outcome = outcome;
    this.model = model;
    this.faults = List.copyOf(faults);
  }

  /** What the engine returned. */
  public SearchOutcome outcome() {
    return outcome;
  }

  /** The gate through which the model was watched. */
  public TrackedModel model() {
    return model;
  }

  /** Everything that was charged. */
  public Cost spent() {
    return outcome.ledger().total();
  }

  /** The answer's score. */
  public double score() {
    return outcome.score();
  }

  /** How much of the budget was used, from 0 to 1. */
  public double utilisation() {
    Budget budget = outcome.budget();
    return budget.unit().of(spent()) / budget.limit();
  }

  /**
   * Whether the budget and its caps hold some further work.
   *
   * @param work what it would cost
   */
  public boolean hasRoomFor(Cost work) {
    Budget budget = outcome.budget();
    for (ComputeUnit unit : ComputeUnit.values()) {
      double limit = budget.caps().getOrDefault(unit, Double.POSITIVE_INFINITY);
      if (unit == budget.unit()) {
        limit = Math.min(limit, budget.limit());
      }
      if (unit != ComputeUnit.SECONDS && unit.of(spent()) + unit.of(work) > limit) {
        return false;
      }
    }
    return true;
  }

  /**
   * Asserts what was charged.
   *
   * @param nfe network evaluations by the published convention
   * @param images decoded images
   */
  public SearchRun hasSpent(long nfe, long images) {
    assertThat(spent().nfe()).as("nfe").isEqualTo(nfe);
    assertThat(spent().decodes()).as("decoded images").isEqualTo(images);
    return this;
  }

  /**
   * Asserts that the books balance: phases add up, the budget is kept, charges equal the counters,
   * the tree log accounts for all generation, and the incumbent curve rises.
   */
  public SearchRun balances() {
    assertThat(faults).as("the search's books").isEmpty();
    return this;
  }

  /** Asserts that every state was closed once, after those that read it. */
  public SearchRun leavesNothing() {
    assertThat(model.faults()).as("faults of ownership").isEmpty();
    assertThat(model.liveStates()).as("live states").isZero();
    assertThat(model.liveBytes()).as("live native bytes").isZero();
    return this;
  }

  List<String> faults() {
    return faults;
  }

  /**
   * A hash of everything but wall times: equal for two searches that did the same. Covers charges,
   * curve, tree log and images.
   */
  public String fingerprint() {
    StringBuilder text = new StringBuilder();
    text.append(outcome.stop()).append('\n').append(outcome.best()).append(' ');
    text.append(outcome.score()).append(' ').append(outcome.incumbent()).append('\n');
    new TreeMap<>(outcome.ledger().byPhase())
        .forEach((phase, cost) -> text.append(phase).append(cost.withWallNanos(0)).append('\n'));
    for (IncumbentPoint point : outcome.curve()) {
      text.append(point.spent().withWallNanos(0)).append(point.node()).append(point.score());
    }
    for (TreeNode node : outcome.tree()) {
      text.append(node.id()).append(node.parent()).append(node.step()).append(node.verb());
      text.append(node.cost()).append(new TreeMap<>(node.verdicts()));
      text.append(new TreeMap<>(node.facts())).append(node.pruned());
    }
    text.append(HexFormat.of().formatHex(outcome.image().rgb()));
    try {
      byte[] digest =
          MessageDigest.getInstance("SHA-256")
              .digest(text.toString().getBytes(java.nio.charset.StandardCharsets.UTF_8));
      return HexFormat.of().formatHex(digest);
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java platform has SHA-256", e);
    }
  }
}
